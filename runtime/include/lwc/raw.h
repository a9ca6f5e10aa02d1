/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of light-weight contexts, as thin as can be: each as its manual page has it, errors as negative numbers, nothing kept, nothing
 * to link. C and C++. lwc(7) is the overview.
 *
 * Inline assembly and not syscall(3), which turns errors into errno: thread-local memory, of which the new context has its own copy.
 */
#ifndef LWC_RAW_H
#define LWC_RAW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/lwc.h>

#ifndef __x86_64__
#error "light-weight contexts exist on x86-64 only"
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline long lwc_raw_call(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}

static inline long lwc_raw_address(const volatile void *pointer)
{
    return (long)(uintptr_t)pointer;
}

/* A new context. In the caller its descriptor; in the new one, on its first entry, LWC_ENTERED, and *event is filled. Else -errno. */
static inline long lwc_create(const struct lwc_create_args *args, struct lwc_event *event)
{
    return lwc_raw_call(__NR_lwc_create, lwc_raw_address(args), sizeof(*args), lwc_raw_address(event), sizeof(*event), 0);
}

/* Goes to another context. 0 when something came back, which *event tells; else -errno, and the caller never left. */
static inline long lwc_switch(int context, const struct lwc_switch_args *args, struct lwc_event *event)
{
    return lwc_raw_call(__NR_lwc_switch, context, lwc_raw_address(args), sizeof(*args), lwc_raw_address(event), sizeof(*event));
}

/* The kernel's ABI version, which is LWC_ABI_VERSION; anything else comes from a kernel that has no such contexts. */
static inline long lwc_version(void)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_VERSION, -1, 0, 0, 0);
}

/* LWC_FEATURE_* bits, or -errno. */
static inline long lwc_features(void)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_FEATURES, -1, 0, 0, 0);
}

/* Accounts of a context, -1 for the calling one. 0 or -errno. */
static inline long lwc_query(int context, struct lwc_info *info)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_INFO, context, lwc_raw_address(info), sizeof(*info), 0);
}

/* Puts a context back to its snapshot. 0 or -errno. */
static inline long lwc_rollback(int context)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_ROLLBACK, context, 0, 0, 0);
}

/* Whether a fork copies all contexts; a root's to say. 0 or -errno. */
static inline long lwc_fork_all(int on)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_FORK, -1, 0, on, 0);
}

/* Leaves of a descriptor's rights what the lines name; none takes all. 0 or -errno. */
static inline long lwc_restrict(int context, const struct lwc_spec *lines, unsigned int count)
{
    return lwc_raw_call(__NR_lwc_restrict, context, lwc_raw_address(lines), count, 0, 0);
}

/* Takes resources of another context; -1: gives up own ones. 0 or -errno. */
static inline long lwc_overlay(int context, const struct lwc_spec *lines, unsigned int count)
{
    return lwc_raw_call(__NR_lwc_overlay, context, lwc_raw_address(lines), count, 0, 0);
}

/* A system call with resources of another context. What the call returns; with LWC_SYSCALL_SWITCH as lwc_switch(). */
static inline long lwc_syscall(int context, const struct lwc_syscall_args *args, struct lwc_event *event)
{
    return lwc_raw_call(__NR_lwc_syscall, context, lwc_raw_address(args), sizeof(*args), lwc_raw_address(event), event ? sizeof(*event) : 0);
}

/* Lines of a resource specification; `end` is the first address behind, `last` the last descriptor. */
static inline struct lwc_spec lwc_spec_memory(uint16_t how, const void *start, const void *end, uint32_t flags)
{
    struct lwc_spec line = {LWC_WHAT_MEMORY, how, flags, (uintptr_t)start, (uintptr_t)end};
    return line;
}

static inline struct lwc_spec lwc_spec_files(uint16_t how, unsigned int first, unsigned int last, uint32_t flags)
{
    struct lwc_spec line = {LWC_WHAT_FILES, how, flags, first, last};
    return line;
}

/* All memory, all descriptors, the credential: LWC_WHAT_*. */
static inline struct lwc_spec lwc_spec_all(uint16_t what, uint16_t how, uint32_t flags)
{
    struct lwc_spec line = {what, how, flags | LWC_SPEC_ALL, 0, 0};
    return line;
}

/* What a context made by lwc_snapshot() runs. `args` has what it was given, and afterwards what it answers. */
typedef void (*lwc_body)(__u64 args[4], void *data);

/*
 * A context that is ready to run `body(args, data)` again and again, each time from the same state: as everything is now. `args` may ask for
 * more than a snapshot: traps, limits, a specification. Its descriptor or -errno. Only the calling thread can use it. Within `body`, close no
 * descriptor of a context.
 */
static inline long lwc_snapshot(const struct lwc_create_args *args, lwc_body body, void *data)
{
    struct lwc_create_args with = *args;
    struct lwc_switch_args answer;
    struct lwc_event event;
    long result;

    with.flags |= LWC_CREATE_ROLLBACK;
    result = lwc_create(&with, &event);
    while (result == LWC_ENTERED) {
        int caller = event.caller;

        body(event.args, data);
        memset(&answer, 0, sizeof(answer));
        memcpy(answer.args, event.args, sizeof(answer.args));
        if (lwc_switch(caller, &answer, &event) < 0)
            __builtin_trap(); /* there is nobody to tell */
    }
    return result;
}

/* Puts a context of lwc_snapshot() back, and runs its body. 0 when it came back: by itself, *event has its answer, or trapped. Else -errno. */
static inline long lwc_run(int snapshot, const __u64 args[4], struct lwc_event *event)
{
    struct lwc_switch_args how;

    memset(&how, 0, sizeof(how));
    how.flags = LWC_SWITCH_ROLLBACK;
    if (args)
        memcpy(how.args, args, sizeof(how.args));
    return lwc_switch(snapshot, &how, event);
}

#ifdef __cplusplus
}
#endif

#endif /* LWC_RAW_H */
