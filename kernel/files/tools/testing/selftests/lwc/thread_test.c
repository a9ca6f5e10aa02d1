// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: several threads (S2, S16) */
#include <pthread.h>
#include <sched.h>

#include "lwc_test.h"

#define THREADS 4
#define ROUNDS 200

struct job {
	pthread_t thread;
	int number;
	long bad;
};

/* A child of its own for each thread, switched to and fro */
static void *own_child(void *arg)
{
	struct job *job = arg;
	struct lwc_event event;
	uint64_t sum = 0;
	long fd, i;

	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		for (;;) {
			sum += event.args[0];
			lwc_switch(event.caller, 0, sum, &event);
		}
	}
	if (fd < 0) {
		job->bad = fd;
		return NULL;
	}
	for (i = 1; i <= ROUNDS; i++) {
		job->bad += lwc_switch(fd, 0, i * job->number, &event) != 0;
		job->bad += event.args[0] != i * (i + 1) / 2 * job->number;
		if (i % 16 == 0)
			sched_yield();
	}
	for (i = 1; i <= ROUNDS / 8; i++) {
		job->bad += lwc_switch(fd, LWC_SWITCH_ROLLBACK, 5, &event) != 0;
		job->bad += event.args[0] != 5;
	}
	close(fd);
	return NULL;
}

static long run_all(void *(*body)(void *), struct job *jobs)
{
	long bad = 0;
	int i;

	for (i = 0; i < THREADS; i++) {
		jobs[i].number = i + 1;
		if (pthread_create(&jobs[i].thread, NULL, body, &jobs[i]))
			return -1;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(jobs[i].thread, NULL);
		bad += jobs[i].bad != 0;
	}
	return bad;
}

TEST(S2_threads_in_different_lwcs)
{
	struct job jobs[THREADS] = { };

	EXPECT_EQ(0, run_all(own_child, jobs));
	EXPECT_EQ(1, lwc_info(-1).threads);
}

static void *create_and_close(void *arg)
{
	struct job *job = arg;
	struct lwc_event event;
	long fd, i;

	for (i = 0; i < 50; i++) {
		fd = lwc_create(i & 1 ? LWC_CREATE_ROLLBACK : 0, &event);
		if (fd == LWC_ENTERED)
			lwc_switch(event.creator, LWC_SWITCH_DISCARD, i, &event);
		if (fd < 0) {
			job->bad = fd;
			return NULL;
		}
		job->bad += lwc_switch(fd, 0, 0, &event) || event.args[0] != i;
		job->bad += close(fd) != 0;
	}
	return NULL;
}

TEST(S2_threads_create_and_close_at_once)
{
	struct job jobs[THREADS] = { };
	int before = open_fds();

	EXPECT_EQ(0, run_all(create_and_close, jobs));
	EXPECT_EQ(before, open_fds());
}

/* Says where it is, and what it sees there */
static void *look_inside(void *arg)
{
	struct job *job = arg;
	struct lwc_event event;
	long own = lwc_create(0, &event);

	if (own == LWC_ENTERED)
		leave(event.creator, 5);
	job->bad = lwc_info(-1).creator != 1 || lwc_switch(own, 0, 0, &event) ||
		   event.args[0] != 5 || close(own);
	return NULL;
}

TEST(S2_several_threads_in_one_lwc)
{
	struct job jobs[THREADS] = { };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		leave(creator, run_all(look_inside, jobs));
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	/* Their memory is that of the lwC they were in */
	EXPECT_EQ(0, jobs[0].thread);
	EXPECT_EQ(0, lwc_info(fd).threads);
}

static int child_fd;

static void *enter_foreign(void *arg)
{
	struct job *job = arg;
	struct lwc_event event;

	job->bad = lwc_switch(child_fd, 0, 0, &event) != -ESRCH;
	return NULL;
}

TEST(S16_a_thread_cannot_enter_a_flow_it_does_not_have)
{
	struct job jobs[THREADS] = { };
	struct lwc_event event;

	child_fd = lwc_create(0, &event);
	if (child_fd == LWC_ENTERED)
		leave(event.creator, 0);
	EXPECT_EQ(0, run_all(enter_foreign, jobs));
	EXPECT_EQ(0, lwc_switch(child_fd, 0, 0, &event));
}

static volatile long *flag;

static void *spin_in_child(void *arg)
{
	struct job *job = arg;
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_ROLLBACK, &event);

	if (fd == LWC_ENTERED) {
		flag[0] = 1;
		while (!flag[1])
			sched_yield();
		leave(event.creator, 1);
	}
	flag[2] = fd;
	job->bad = lwc_switch(fd, 0, 0, &event) || event.args[0] != 1;
	return NULL;
}

TEST(S2_the_scheduler_sees_threads)
{
	struct lwc_event event;
	struct job job = { };

	flag = shared_page();
	pthread_create(&job.thread, NULL, spin_in_child, &job);
	while (!flag[0])
		sched_yield();
	EXPECT_EQ(1, lwc_info(flag[2]).threads);
	EXPECT_EQ(1, lwc_info(-1).threads);
	EXPECT_EQ(-ESRCH, lwc_switch(flag[2], 0, 0, &event));
	flag[1] = 1;
	pthread_join(job.thread, NULL);
	EXPECT_EQ(0, job.bad);
}

/* Its last descriptor is closed while the other thread is there */
TEST(S3_a_thread_inside_keeps_an_lwc)
{
	struct job job = { };

	flag = shared_page();
	pthread_create(&job.thread, NULL, spin_in_child, &job);
	while (!flag[0])
		sched_yield();
	EXPECT_EQ(0, close(flag[2]));
	flag[1] = 1;
	/* It comes out, with what it had to say */
	pthread_join(job.thread, NULL);
	EXPECT_EQ(0, job.bad);
}

TEST(S14_fork_copies_only_the_forking_thread)
{
	struct job job = { };
	int status;
	pid_t pid;

	flag = shared_page();
	pthread_create(&job.thread, NULL, spin_in_child, &job);
	while (!flag[0])
		sched_yield();
	pid = fork();
	if (!pid)
		_exit(lwc_info(-1).id != 1 || lwc_info(-1).threads != 1 ||
		      lwc_ctl(LWC_CTL_INFO, flag[2], &status, 8) != -ESTALE);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	flag[1] = 1;
	pthread_join(job.thread, NULL);
	EXPECT_EQ(0, job.bad);
}

static void *exit_inside(void *arg)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		flag[0]++;
		syscall(SYS_exit, 0);
	}
	flag[1] = fd;
	lwc_switch(fd, 0, 0, &event);
	return NULL;
}

TEST(S15_a_thread_that_ends_inside_leaves_the_lwc)
{
	struct job job = { };
	struct lwc_info info;
	pthread_attr_t attr;

	flag = shared_page();
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_create(&job.thread, &attr, exit_inside, NULL);
	do {
		sched_yield();
		info = lwc_info(flag[1]);
	} while (!flag[0] || info.threads);
	EXPECT_EQ(0, info.flows);
	EXPECT_EQ(0, close(flag[1]));
}

TEST(S15_process_exit_with_threads_in_lwcs)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct job jobs[THREADS] = { };
		int i;

		flag = shared_page();
		for (i = 0; i < THREADS; i++)
			pthread_create(&jobs[i].thread, NULL, spin_in_child, &jobs[i]);
		while (!flag[0])
			sched_yield();
		_exit(7);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(7, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
