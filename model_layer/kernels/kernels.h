/* What the entry points (kernels.c), the thread pool (pool.c) and the loops (loops.c, compiled once per instruction set) share. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum type { FLOAT32, FLOAT16, INT8 };
enum activation { IDENTITY, GELU_TANH };
enum {
    GROUP = 64,       /* inputs that share a scale, where the weights have scales */
    PAGE_TOKENS = 32, /* tokens of one page of keys or values */
};

/* A linear layer. `weight` is (in, out) for columns() and (out, in) for dots(), row-major, in `type`. INT8 has a scale for each
   GROUP of inputs of one output: (ceil(in / GROUP), out) or (out, ceil(in / GROUP)). `bias` is (out) or NULL. */
struct matrix {
    const void *weight;
    const float *scales, *bias;
    int64_t in, out;
    int32_t type, activation;
};

/* y (rows, out) = activation(x (rows, in) @ weight + bias), on top of what y holds where `accumulate` is set. */
struct product {
    const struct matrix *matrix;
    const float *x;
    float *y;
    int64_t rows, accumulate;
};

struct normalisation {
    const float *x, *gain, *bias;
    float *y;
    int64_t width;
    float epsilon;
};

/* Causal attention of one layer over packed sequences ("spans"). Span s has new tokens begin[s] .. begin[s] + count[s] - 1 of the
   batch, `before[s]` older ones, and its pages are the first_page[s]-th and following of `keys` and `values`. A page of keys is
   (heads, head_width, PAGE_TOKENS), of values (heads, PAGE_TOKENS, head_width), in `type`. */
struct attention {
    const float *mixed; /* (tokens, 3, heads, head_width): queries, keys, values of the new tokens */
    float *attended;    /* (tokens, heads, head_width) */
    const int64_t *begin, *count, *before, *first_page;
    void *const *keys, *const *values;
    int64_t spans, heads, head_width, page_offset; /* page_offset: bytes from a page's address to this layer's part of it */
    float scale;
    int32_t type;
};

/* The loops for one instruction set. Ranges are of columns, of rows of the weight, of rows of x, of (span, head) pairs. */
struct path {
    const char *name;
    int64_t chunk; /* least sensible number of columns for one thread */
    void (*columns)(const void *product, int64_t first, int64_t last);
    void (*dots)(const void *product, int64_t first, int64_t last);
    void (*layer_norm)(const void *normalisation, int64_t first, int64_t last);
    void (*attend)(const void *attention, int64_t first, int64_t last);
};

/* Calls work over 0 .. count - 1 in pieces that are multiples of `chunk`, on at most `threads` threads; returns when all are done. */
void in_parallel(void (*work)(const void *, int64_t, int64_t), const void *task, int64_t count, int64_t chunk, int threads);

/* Memory of this thread, uninitialised, good until its next call. */
float *scratch(size_t floats);

#endif
