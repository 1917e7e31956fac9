/*
 * clock.c -- a library to preload: the wall clock, so many seconds off.
 *
 * Seconds are in the file that PGNET_TEST_CLOCK names, an int64 that may
 * change any time.  Clocks that nobody can set are as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How far off the clock is. */
static int64_t
seconds_off(void)
{
	static const volatile int64_t *off;
	static const int64_t none = 0;

	if (off == NULL)
	{
		const char *path = getenv("PGNET_TEST_CLOCK");
		int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		void	   *file = MAP_FAILED;

		if (fd >= 0)
		{
			file = mmap(NULL, sizeof(*off), PROT_READ, MAP_SHARED, fd, 0);
			close(fd);
		}
		off = file == MAP_FAILED ? &none : file;
	}
	return *off;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	static int	(*real) (struct timeval *, void *);
	int			result;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "gettimeofday");
	result = real(now, zone);
	now->tv_sec += seconds_off();
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
		now->tv_sec += seconds_off();
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
