/* SPDX-License-Identifier: Apache-2.0 */
/* A stranger's program in C, compiled against the installed library: a counter that forgets, a crash that is survived. */
#include <lwc/raw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int counter;
static int *volatile nowhere = (int *)16;

static void count(__u64 args[4], void *data)
{
    const char *greeting = data;

    counter += (int)args[0];
    args[1] = (__u64)counter;
    args[2] = strlen(greeting);
    if (args[0] == 13)
        *nowhere = 0;
}

static int fail(const char *what, long result)
{
    fprintf(stderr, "%s: %s\n", what, result < 0 ? strerror((int)-result) : "not as expected");
    return 1;
}

int main(void)
{
    static char greeting[] = "hello";
    struct lwc_create_args args = {0};
    struct lwc_event event;
    struct lwc_info info;
    long child, result;

    if (lwc_version() != LWC_ABI_VERSION) {
        puts("this kernel has no light-weight contexts");
        return 77;
    }
    args.flags = LWC_CREATE_TRAP_FAULT;
    counter = 100;
    child = lwc_snapshot(&args, count, greeting);
    if (child < 0)
        return fail("lwc_snapshot", child);
    for (__u64 add = 1; add < 20; add++) {
        __u64 in[4] = {add};

        result = lwc_run((int)child, in, &event);
        if (result < 0)
            return fail("lwc_run", result);
        if (add == 13) {
            if (event.type != LWC_EVENT_FAULT || event.signo != SIGSEGV || event.addr != 16)
                return fail("the fault", 0);
            continue;
        }
        if (event.type != LWC_EVENT_SWITCH || event.args[1] != 100 + add || event.args[2] != 5)
            return fail("the answer", 0);
    }
    result = lwc_query((int)child, &info);
    if (result < 0 || info.rollbacks != 19 || counter != 100)
        return fail("lwc_query", result);
    puts("19 runs, none saw another");
    return 0;
}
