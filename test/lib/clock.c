/*
 * clock.c -- a library to preload: the wall clock, so many seconds off.
 *
 * Seconds are in the file that PGNET_TEST_CLOCK names, an int64 that may
 * change any time.  Behind it is another one, by which clocks that nobody can
 * set are ahead as well: so much time has passed.
 *
 * A timer of the wall clock never expires, but is cancelled when that file is
 * written to, as the kernel's are when the clock is set (timerfd_settime(2),
 * TFD_TIMER_CANCEL_ON_SET).  A process may have one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The descriptor that stands for the timer: it watches the file. */
static int	timer = -1;

/* How far off a clock is: the wall clock, or one that nobody can set. */
static int64_t
seconds_off(int is_wall)
{
	static const volatile int64_t *off;
	static const int64_t none[2] = {0, 0};

	if (off == NULL)
	{
		const char *path = getenv("PGNET_TEST_CLOCK");
		int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		void	   *file = MAP_FAILED;

		if (fd >= 0)
		{
			file = mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);
			close(fd);
		}
		off = file == MAP_FAILED ? none : file;
	}
	return is_wall ? off[0] + off[1] : off[1];
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	static int	(*real) (struct timeval *, void *);
	int			result;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "gettimeofday");
	result = real(now, zone);
	now->tv_sec += seconds_off(1);
	return result;
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
	static int	(*real) (clockid_t, struct timespec *);
	int			result;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(which, now);
	if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)
		now->tv_sec += seconds_off(1);
	if (which == CLOCK_MONOTONIC || which == CLOCK_MONOTONIC_COARSE)
		now->tv_sec += seconds_off(0);
	return result;
}

time_t
time(time_t *copy)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	if (copy != NULL)
		*copy = now.tv_sec;
	return now.tv_sec;
}

int
timerfd_create(clockid_t which, int flags)
{
	const char *path = getenv("PGNET_TEST_CLOCK");
	int			(*real) (clockid_t, int) = dlsym(RTLD_NEXT, "timerfd_create");

	if (which != CLOCK_REALTIME || path == NULL)
		return real(which, flags);
	timer = inotify_init1(((flags & TFD_NONBLOCK) ? IN_NONBLOCK : 0) |
						  ((flags & TFD_CLOEXEC) ? IN_CLOEXEC : 0));
	if (timer >= 0 && inotify_add_watch(timer, path, IN_MODIFY) < 0)
	{
		close(timer);
		timer = -1;
	}
	return timer;
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *time,
				struct itimerspec *before)
{
	int			(*real) (int, int, const struct itimerspec *,
						 struct itimerspec *);

	if (fd >= 0 && fd == timer)
		return 0;
	real = dlsym(RTLD_NEXT, "timerfd_settime");
	return real(fd, flags, time, before);
}

ssize_t
read(int fd, void *buffer, size_t size)
{
	static ssize_t (*real) (int, void *, size_t);
	char		events[4096];

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "read");
	if (fd < 0 || fd != timer)
		return real(fd, buffer, size);
	if (real(fd, events, sizeof(events)) > 0)
		errno = ECANCELED;
	return -1;
}
