#include "program.h"
int command_submit(int c,char**v){(void)c;(void)v;return 1;}
int command_list(int c,char**v){(void)c;(void)v;return 1;}
int command_show(int c,char**v){(void)c;(void)v;return 1;}
int command_cancel(int c,char**v){(void)c;(void)v;return 1;}
