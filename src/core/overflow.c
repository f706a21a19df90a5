/* SPDX-License-Identifier: MIT */

/* Stack overflows, told from other faults by the address: it lies in the guard of a stack of this
 * thread's loop. The handlers run on an alternate stack; every other fault goes to whoever handled
 * them before. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"
#include "core/core.h"

#define ALTERNATE_BYTES ((size_t)64 << 10)

static const int faults[] = {SIGSEGV, SIGBUS};
#define FAULTS (sizeof faults / sizeof faults[0])

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned loops; /* that watch */
static struct sigaction before[FAULTS];

/* Text made without a call that a signal handler may not make. */
typedef struct text {
    char bytes[512];
    size_t size;
} text;

static void add(text *t, const char *string)
{
    while (*string && t->size < sizeof t->bytes - 1)
        t->bytes[t->size++] = *string++;
    t->bytes[t->size] = '\0';
}

static void add_number(text *t, uint64_t n)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    add(t, digits + i);
}

static void report(const kt_loop *l, const kt__stack *stack)
{
    text t = {.size = 0};
    const kt_task *task = l->current;
    add(&t, "kettle: stack overflow in task '");
    if (task && task->name) {
        add(&t, task->name);
    } else if (task) {
        add(&t, "Task-");
        add_number(&t, task->id);
    }
    add(&t, "': its stack has ");
    add_number(&t, kt__stack_usable(stack) >> 10);
    add(&t, " KiB. Give it more with kt_spawn_options.stack_bytes, or all tasks with "
            "kt_options.stack_bytes, or put large arrays on the heap.");
    kt__log(t.bytes);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *old = &before[number == SIGBUS];
    bool sent = info->si_code <= 0; /* by kill(2), say: no instruction will fault again */
    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(number, info, context);
    } else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
        if (sent && old->sa_handler == SIG_IGN)
            return;
        signal(number, SIG_DFL); /* the instruction faults again, and that is the end */
        if (sent)
            raise(number);
    } else {
        old->sa_handler(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const kt_loop *l = kt__loop;
    const kt__stack *stack = l ? kt__stacks_guarding(&l->stacks, info->si_addr) : NULL;
    if (stack) {
        report(l, stack);
        abort();
    }
    pass_on(number, info, context);
}

static void take_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&mutex);
    if (loops++ == 0)
        for (size_t i = 0; i < FAULTS; i++)
            sigaction(faults[i], &action, &before[i]);
    pthread_mutex_unlock(&mutex);
}

/* A handler that the program has set since stays. */
static void give_back(size_t i)
{
    struct sigaction now;
    if (sigaction(faults[i], NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)
        sigaction(faults[i], &before[i], NULL);
}

static void give_faults_back(void)
{
    pthread_mutex_lock(&mutex);
    if (--loops == 0)
        for (size_t i = 0; i < FAULTS; i++)
            give_back(i);
    pthread_mutex_unlock(&mutex);
}

/* A thread that has an alternate stack already keeps it. */
int kt__overflow_watch(kt_loop *l)
{
    stack_t old;
    if (l->options.no_overflow_report)
        return 0;
    if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE)) {
        void *memory = mmap(NULL, ALTERNATE_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED)
            return -errno;
        stack_t alternate = {.ss_sp = memory, .ss_size = ALTERNATE_BYTES};
        sigaltstack(&alternate, NULL);
        l->alternate_stack = memory;
    }
    take_faults();
    l->watches_faults = true;
    return 0;
}

void kt__overflow_unwatch(kt_loop *l)
{
    if (l->watches_faults)
        give_faults_back();
    if (l->alternate_stack) {
        stack_t off = {.ss_flags = SS_DISABLE};
        sigaltstack(&off, NULL);
        munmap(l->alternate_stack, ALTERNATE_BYTES);
    }
}
