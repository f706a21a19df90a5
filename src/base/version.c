/* SPDX-License-Identifier: MIT */
#include <kettle/base.h>

#ifndef KT_VERSION
#error "the build passes KT_VERSION"
#endif

const char *kt_version(void)
{
    return KT_VERSION;
}
