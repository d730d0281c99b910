/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership of file descriptors and heap memory by cleanup attribute.
 *
 * A descriptor or pointer declared with one of these leaves with its scope;
 * TAKE_FD and TAKE_PTR hand it on and leave the harmless value behind.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdio.h>
#include <stdlib.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_free_	_cleanup_(free_ptrp)
#define _cleanup_file_	_cleanup_(fclose_filep)

#define TAKE_FD(fd)                   \
	({                            \
		int *fdp_ = &(fd);    \
		int taken_ = *fdp_;   \
		*fdp_ = -1;           \
		taken_;               \
	})
#define TAKE_PTR(p)                          \
	({                                   \
		__typeof__(p) *pp_ = &(p);   \
		__typeof__(p) taken_ = *pp_; \
		*pp_ = NULL;                 \
		taken_;                      \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* Close *fd if it is open and set it to -1; errno is kept. */
void close_fdp(int *fd);

/* The same for many; those whose numbers follow one another cost one system call. */
void close_fds(int *const *fds, size_t count);

static inline void free_ptrp(void *p)
{
	free(*(void **)p);
}

static inline void fclose_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/*
 * Read the whole of a small file from offset 0 into buf, always NUL-terminated.
 * Returns the length without the NUL, -EFBIG when it does not fit, or -errno.
 */
ssize_t fd_read_all(int fd, char *buf, size_t size);

/*
 * A memfd, made with MFD_ALLOW_SEALING, keeps its size from now on: whoever is given it cannot cut it short,
 * of which all others who have it mapped would die (SIGBUS). 0 or -errno.
 */
int fd_seal_size(int fd);

/* Write all of buf, resuming after short writes. 0 or -errno. */
int fd_write_all(int fd, const void *buf, size_t len);

#endif
