/* Memory bandwidth: threads that add up their part of a large array. `read_memory MEGABYTES THREADS ROUNDS` prints GB/s (10^9), best round.

   The array lies in pages of 4 KiB where the system can be told so: a mapped model file does too. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct part {
    const uint64_t *words;
    size_t count;
    uint64_t sum;
};

static void *add_up(void *argument) {
    struct part *part = argument;
    uint64_t sums[8] = {0}; /* independent chains, so that only memory is waited for */
    for (size_t i = 0; i + 8 <= part->count; i += 8)
        for (int lane = 0; lane < 8; lane++) sums[lane] += part->words[i + lane];
    for (int lane = 0; lane < 8; lane++) part->sum += sums[lane];
    return NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    size_t bytes = strtoul(arguments[1], NULL, 10) * 1000000;
    int threads = atoi(arguments[2]), rounds = atoi(arguments[3]);
    if (threads < 1 || threads > 64 || bytes == 0) return 2;
    uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) return 1;
#ifdef MADV_NOHUGEPAGE
    madvise(words, bytes, MADV_NOHUGEPAGE);
#endif
    memset(words, 1, bytes);
    struct part parts[64];
    pthread_t workers[64];
    size_t each = bytes / sizeof *words / (size_t)threads;
    double best = 0;
    uint64_t sum = 0;
    for (int round = 0; round < rounds; round++) {
        double started = seconds();
        for (int i = 0; i < threads; i++) {
            parts[i] = (struct part){words + (size_t)i * each, each, 0};
            if (pthread_create(&workers[i], NULL, add_up, &parts[i])) return 1;
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(workers[i], NULL);
            sum += parts[i].sum;
        }
        double rate = (double)(each * sizeof *words * (size_t)threads) / (seconds() - started) / 1e9;
        if (rate > best) best = rate;
    }
    printf("%.3f\n", best);
    return sum == 42; /* the sum is used, so it cannot be left out */
}
