/* The entry points that binding.py calls: the choice of an instruction set, of a number of threads, and the products. Sizes and
   addresses are checked there. */
#include <string.h>

#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
extern const struct path avx512_path, avx2_path;
#elif defined(__aarch64__)
extern const struct path neon_path;
#endif
extern const struct path plain_path;

#define EXPORT __attribute__((visibility("default")))

enum {
    WORTH_A_THREAD = 1 << 17, /* multiply-adds: what takes less time than waking another thread */
    FEW_ROWS = 8,             /* of x: the weight streams by, and reading it is the work */
};

static const struct path *path;
static int threads = 1;

#if defined(__x86_64__)
enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6 }; /* the registers that the operating system saves */

/* Which vector registers the operating system saves when it switches threads (Intel SDM vol. 1, 13.3). */
static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int x86_paths(const struct path *usable[])
{
    unsigned a, b, c, d, features, state;
    int count = 0;
    if (!__get_cpuid(1, &a, &b, &features, &d) || !(features & bit_OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    state = saved_state();
    if (!(features & bit_FMA) || !(features & bit_F16C))
        return 0;
    if (b & bit_AVX512F && (state & AVX512_STATE) == AVX512_STATE)
        usable[count++] = &avx512_path;
    if (b & bit_AVX2 && (state & AVX_STATE) == AVX_STATE)
        usable[count++] = &avx2_path;
    return count;
}
#endif

static int number_of_paths(const struct path *usable[3])
{
    int count = 0;
#if defined(__x86_64__)
    count = x86_paths(usable);
#elif defined(__aarch64__)
    usable[count++] = &neon_path;
#endif
    usable[count++] = &plain_path;
    return count;
}

/* The sizes that binding.py must have too: a library of other sources has others. */
EXPORT void kernels_layout(int64_t sizes[6])
{
    const int64_t all[] = {GROUP, PAGE_TOKENS, sizeof(struct matrix), sizeof(struct product), sizeof(struct normalisation),
                           sizeof(struct attention)};
    memcpy(sizes, all, sizeof all);
}

/* The name of the n-th best path that this processor can run, NULL when there are not so many. */
EXPORT const char *kernels_path(int n)
{
    const struct path *usable[3];
    return n >= 0 && n < number_of_paths(usable) ? usable[n]->name : NULL;
}

/* 0 when the path of that name is used from now on, -1 when this processor has none of the name. */
EXPORT int kernels_use_path(const char *name)
{
    const struct path *usable[3];
    int count = number_of_paths(usable);
    for (int n = 0; n < count; n++)
        if (!strcmp(usable[n]->name, name)) {
            path = usable[n];
            return 0;
        }
    return -1;
}

EXPORT void kernels_use_threads(int count)
{
    threads = count;
}

static int threads_for(int64_t multiply_adds)
{
    return multiply_adds < WORTH_A_THREAD ? 1 : threads;
}

/* Outputs: with few rows one long run of the weight for each thread, as memory likes it; with many, small pieces to share. */
static int64_t chunk_of(const struct product *p)
{
    int64_t run = (p->matrix->out + threads - 1) / threads;
    return p->rows > FEW_ROWS ? path->chunk : (run + path->chunk - 1) / path->chunk * path->chunk;
}

static void multiply(void (*work)(const void *, int64_t, int64_t), const struct product *p)
{
    in_parallel(work, p, p->matrix->out, chunk_of(p), threads_for(p->rows * p->matrix->in * p->matrix->out));
}

EXPORT void kernels_columns(const struct product *p)
{
    multiply(path->columns, p);
}

EXPORT void kernels_dots(const struct product *p)
{
    multiply(path->dots, p);
}

EXPORT void kernels_layer_norm(const struct normalisation *n, int64_t rows)
{
    in_parallel(path->layer_norm, n, rows, 1, threads_for(rows * n->width));
}

EXPORT void kernels_attend(const struct attention *a)
{
    int64_t pairs = 0;
    for (int64_t s = 0; s < a->spans; s++)
        pairs += a->count[s] * (a->before[s] + a->count[s]);
    in_parallel(path->attend, a, a->spans * a->heads, 1, threads_for(2 * pairs * a->heads * a->head_width));
}

/* Reads a byte of every 4 KiB, so that the memory is mapped and in the page cache. */
EXPORT unsigned kernels_touch(const volatile unsigned char *memory, int64_t bytes)
{
    unsigned total = 0;
    for (int64_t i = 0; i < bytes; i += 4096)
        total += memory[i];
    return total;
}
