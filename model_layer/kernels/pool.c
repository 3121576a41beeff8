/* Threads that sleep until there is work. Waiting threads never spin: on a processor that is shared, a spinning one takes the
   time of the one it waits for. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kernels.h"

enum { MAX_THREADS = 64, PIECES_EACH = 4 }; /* several pieces a thread: one that is held up leaves its share to the others */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t work_is_there, work_is_done;
    int started, wanted, active, open; /* threads in existence, called to this round, at work; whether one may still join */
    unsigned round;
    void (*work)(const void *, int64_t, int64_t);
    const void *task;
    int64_t count, piece;
    atomic_llong next;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .work_is_there = PTHREAD_COND_INITIALIZER, .work_is_done = PTHREAD_COND_INITIALIZER};

static pthread_mutex_t one_caller = PTHREAD_MUTEX_INITIALIZER;

static void take_pieces(void)
{
    for (int64_t first; (first = atomic_fetch_add(&pool.next, pool.piece)) < pool.count;)
        pool.work(pool.task, first, first + pool.piece < pool.count ? first + pool.piece : pool.count);
}

static void *worker(void *number)
{
    unsigned seen = 0;
    pthread_mutex_lock(&pool.mutex);
    for (;;) {
        while (!pool.open || pool.round == seen || (intptr_t)number >= pool.wanted)
            pthread_cond_wait(&pool.work_is_there, &pool.mutex);
        seen = pool.round;
        pool.active++;
        pthread_mutex_unlock(&pool.mutex);
        take_pieces();
        pthread_mutex_lock(&pool.mutex);
        if (--pool.active == 0)
            pthread_cond_signal(&pool.work_is_done);
    }
    return NULL;
}

/* A child process has none of its parent's threads. */
static void forget_threads(void)
{
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_mutex_init(&one_caller, NULL);
    pthread_cond_init(&pool.work_is_there, NULL);
    pthread_cond_init(&pool.work_is_done, NULL);
    pool.started = pool.active = pool.open = 0;
}

static void start_threads(int count)
{
    static int registered;
    if (!registered)
        registered = pthread_atfork(NULL, NULL, forget_threads) == 0;
    while (pool.started < count) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, (void *)(intptr_t)pool.started))
            return; /* the others do its share */
        pthread_detach(thread);
        pool.started++;
    }
}

void in_parallel(void (*work)(const void *, int64_t, int64_t), const void *task, int64_t count, int64_t chunk, int threads)
{
    int64_t chunks = (count + chunk - 1) / chunk;
    threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    if (threads < 2 || chunks < 2 || pthread_mutex_trylock(&one_caller)) { /* another model computes: this one goes alone */
        work(task, 0, count);
        return;
    }
    pthread_mutex_lock(&pool.mutex);
    start_threads(threads - 1);
    pool.work = work;
    pool.task = task;
    pool.count = count;
    pool.piece = (chunks + PIECES_EACH * threads - 1) / (PIECES_EACH * threads) * chunk;
    pool.wanted = threads - 1;
    atomic_store(&pool.next, 0);
    pool.round++;
    pool.open = 1;
    pthread_cond_broadcast(&pool.work_is_there);
    pthread_mutex_unlock(&pool.mutex);
    take_pieces();
    pthread_mutex_lock(&pool.mutex);
    pool.open = 0; /* who wakes now comes too late, and is not waited for */
    while (pool.active)
        pthread_cond_wait(&pool.work_is_done, &pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
    pthread_mutex_unlock(&one_caller);
}

static pthread_key_t scratch_of_thread;

static void make_key(void)
{
    if (pthread_key_create(&scratch_of_thread, free)) /* what a thread had goes when it ends: servers start many */
        abort();
}

float *scratch(size_t floats)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local float *memory;
    static _Thread_local size_t room;
    if (room < floats) {
        pthread_once(&once, make_key);
        free(memory);
        memory = malloc(floats * sizeof(float));
        if (!memory || pthread_setspecific(scratch_of_thread, memory))
            abort();
        room = floats;
    }
    return memory;
}
