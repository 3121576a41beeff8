/* Runs one kernel on numbers from standard input and writes the result to standard output, for processors that Python does not
   run on here. Input: the kernel's number, 8 sizes as int64, then the arrays, each after its length in bytes as int64. */
#include <stdio.h>
#include <stdlib.h>

#include "../../model_layer/kernels/kernels.h"

const char *kernels_path(int n);
int kernels_use_path(const char *name);
void kernels_use_threads(int count);
void kernels_columns(const struct product *p);
void kernels_dots(const struct product *p);
void kernels_layer_norm(const struct normalisation *n, int64_t rows);
void kernels_attend(const struct attention *a);

enum { COLUMNS, DOTS, LAYER_NORM, ATTENTION };

static void must(int done)
{
    if (!done)
        exit(2);
}

static void *array(void)
{
    int64_t bytes;
    void *numbers;
    must(fread(&bytes, sizeof bytes, 1, stdin) == 1);
    if (!bytes)
        return NULL;
    numbers = malloc((size_t)bytes);
    must(numbers && fread(numbers, 1, (size_t)bytes, stdin) == (size_t)bytes);
    return numbers;
}

static void answer(const float *numbers, int64_t count)
{
    must(fwrite(numbers, sizeof *numbers, (size_t)count, stdout) == (size_t)count);
}

static void multiply(const int64_t *sizes, int dots)
{
    int64_t rows = sizes[0];
    struct matrix matrix = {.in = sizes[1], .out = sizes[2], .type = (int32_t)sizes[3], .activation = (int32_t)sizes[4]};
    struct product product = {.matrix = &matrix, .rows = rows};
    matrix.weight = array();
    matrix.scales = array();
    matrix.bias = array();
    product.x = array();
    product.y = calloc((size_t)(rows * matrix.out), sizeof(float));
    if (dots)
        kernels_dots(&product);
    else
        kernels_columns(&product);
    answer(product.y, rows * matrix.out);
}

static void normalise(const int64_t *sizes)
{
    struct normalisation task = {.width = sizes[1], .epsilon = 1e-5f};
    task.x = array();
    task.gain = array();
    task.bias = array();
    task.y = calloc((size_t)(sizes[0] * sizes[1]), sizeof(float));
    kernels_layer_norm(&task, sizes[0]);
    answer(task.y, sizes[0] * sizes[1]);
}

static void attend(const int64_t *sizes)
{
    int64_t tokens = sizes[0], begin = 0, before = 0, first_page = 0, width = sizes[1] * sizes[2];
    int64_t pages = (tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
    void **keys = calloc((size_t)pages, sizeof *keys), **values = calloc((size_t)pages, sizeof *values);
    struct attention task = {
        .begin = &begin, .count = &tokens, .before = &before, .first_page = &first_page, .keys = keys, .values = values,
        .spans = 1, .heads = sizes[1], .head_width = sizes[2], .scale = 0.5f, .type = (int32_t)sizes[3],
    };
    for (int64_t page = 0; page < pages; page++) {
        keys[page] = calloc((size_t)(width * PAGE_TOKENS), task.type == FLOAT16 ? 2 : 4);
        values[page] = calloc((size_t)(width * PAGE_TOKENS), task.type == FLOAT16 ? 2 : 4);
    }
    task.mixed = array();
    task.attended = calloc((size_t)(tokens * width), sizeof(float));
    kernels_attend(&task);
    answer(task.attended, tokens * width);
}

int main(int count, char **arguments)
{
    int64_t kernel, sizes[8];
    must(count == 3 && kernels_use_path(arguments[1]) == 0);
    kernels_use_threads(atoi(arguments[2]));
    must(fread(&kernel, sizeof kernel, 1, stdin) == 1 && fread(sizes, sizeof *sizes, 8, stdin) == 8);
    if (kernel == LAYER_NORM)
        normalise(sizes);
    else if (kernel == ATTENTION)
        attend(sizes);
    else
        multiply(sizes, kernel == DOTS);
    return 0;
}
