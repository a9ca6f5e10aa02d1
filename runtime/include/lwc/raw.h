/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of light-weight contexts, as thin as can be: arguments as in the manual pages lwc_create(2) ... lwc_ctl(2), errors as
 * negative numbers, nothing kept. C and C++.
 *
 * Inline assembly and not syscall(3), which turns errors into errno: thread-local memory, of which the child has its own copy.
 */
#ifndef LWC_RAW_H
#define LWC_RAW_H

#include <stddef.h>
#include <stdint.h>

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

/* A new context. In the caller its descriptor; in the new one, on its first entry, LWC_ENTERED, and *event is filled. Else -errno. */
static inline long lwc_create_raw(const struct lwc_create_args *args, struct lwc_event *event)
{
    return lwc_raw_call(__NR_lwc_create, (long)(uintptr_t)args, (long)sizeof(*args), (long)(uintptr_t)event, (long)sizeof(*event), 0);
}

/* Goes to another context. 0 when something came back, which *event tells; else -errno, and the caller never left. */
static inline long lwc_switch_raw(int target, const struct lwc_switch_args *args, struct lwc_event *event)
{
    return lwc_raw_call(__NR_lwc_switch, target, (long)(uintptr_t)args, (long)sizeof(*args), (long)(uintptr_t)event, (long)sizeof(*event));
}

/* The kernel's ABI version, or -errno from a kernel that knows no contexts. */
static inline long lwc_version_raw(void)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_VERSION, -1, 0, 0, 0);
}

/* LWC_FEATURE_* bits, or -errno. */
static inline long lwc_features_raw(void)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_FEATURES, -1, 0, 0, 0);
}

/* Accounts of a context, -1 for the calling one. 0 or -errno. */
static inline long lwc_info_raw(int context, struct lwc_info *info)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_INFO, context, (long)(uintptr_t)info, (long)sizeof(*info), 0);
}

/* Puts a context back to its snapshot. 0 or -errno. */
static inline long lwc_rollback_raw(int context)
{
    return lwc_raw_call(__NR_lwc_ctl, LWC_CTL_ROLLBACK, context, 0, 0, 0);
}

#ifdef __cplusplus
}
#endif

#endif /* LWC_RAW_H */
