/* Products with weights that lie as (out, in), as the tied head does: each output is the dot product of a row of x and one of
   the weight. */

enum { DOT_OUTPUTS = 4 }; /* rows of the weight that are read side by side */

/* A vector of the weight's row `o`, inputs k and following, `count` of them. */
INLINE vec scaled_weights(const int type, const void *weight, const float *scales, int64_t in, int64_t o, int64_t k, int64_t count)
{
    vec numbers = some_weights(type, weight, o * in + k, count);
    int64_t groups = (in + GROUP - 1) / GROUP;
    return scales ? multiply(numbers, broadcast(scales[o * groups + k / GROUP])) : numbers;
}

/* sums (rows, outputs) += inputs k and following, one to a lane */
INLINE void dot_step(const int rows, const int outputs, const int type, const float *x, int64_t in, const void *weight,
                     const float *scales, int64_t k, int64_t count, vec sums[DOT_ROWS][DOT_OUTPUTS])
{
    vec row[DOT_OUTPUTS];
    for (int o = 0; o < outputs; o++) {
        if (starts_line(type, k))
            __builtin_prefetch(at(type, weight, (o + outputs) * in + k));
        row[o] = scaled_weights(type, weight, scales, in, o, k, count);
    }
    for (int r = 0; r < rows; r++) {
        vec factors = load_some(x + r * in + k, count);
        for (int o = 0; o < outputs; o++)
            sums[r][o] = fused(factors, row[o], sums[r][o]);
    }
}

/* y (rows, outputs) = x (rows, in) . weight (outputs, in) */
INLINE void dot_tile(const int rows, const int outputs, const int type, const float *x, int64_t in, const void *weight,
                     const float *scales, float *y, int64_t y_stride)
{
    vec sums[DOT_ROWS][DOT_OUTPUTS];
    int64_t k = 0;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o++)
            sums[r][o] = broadcast(0.0f);
    for (; k + WIDTH <= in; k += WIDTH)
        dot_step(rows, outputs, type, x, in, weight, scales, k, WIDTH, sums);
    if (k < in)
        dot_step(rows, outputs, type, x, in, weight, scales, k, in - k, sums);
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o++)
            y[r * y_stride + o] = sum(sums[r][o]);
}

INLINE void dot_rows(const int outputs, const int type, const struct product *p, const void *weight, const float *scales, int64_t first)
{
    int64_t in = p->matrix->in, out = p->matrix->out, r = 0;
    for (; r + DOT_ROWS <= p->rows; r += DOT_ROWS)
        dot_tile(DOT_ROWS, outputs, type, p->x + r * in, in, weight, scales, p->y + r * out + first, out);
    for (; r < p->rows; r++)
        dot_tile(1, outputs, type, p->x + r * in, in, weight, scales, p->y + r * out + first, out);
}

/* Outputs first .. first + outputs - 1. What several tiles of rows need is converted once. */
INLINE void dot_outputs(const int outputs, const int type, const struct product *p, int64_t first, float *converted)
{
    int64_t in = p->matrix->in, groups = (in + GROUP - 1) / GROUP;
    const void *weight = at(type, p->matrix->weight, first * in);
    const float *scales = type == INT8 ? p->matrix->scales + first * groups : NULL;
    if (!converted) {
        dot_rows(outputs, type, p, weight, scales, first);
        return;
    }
    for (int o = 0; o < outputs; o++)
        for (int64_t k = 0; k < in; k += WIDTH)
            store_some(converted + o * in + k, scaled_weights(type, weight, scales, in, o, k, in - k), in - k);
    dot_rows(outputs, FLOAT32, p, converted, NULL, first);
}

INLINE void dots_of(const int type, const struct product *p, int64_t first, int64_t last)
{
    float *converted = type != FLOAT32 && p->rows > 4 * DOT_ROWS ? scratch((size_t)(DOT_OUTPUTS * p->matrix->in)) : NULL;
    for (; first + DOT_OUTPUTS <= last; first += DOT_OUTPUTS)
        dot_outputs(DOT_OUTPUTS, type, p, first, converted);
    for (; first < last; first++)
        dot_outputs(1, type, p, first, converted);
}

static void dots(const void *task, int64_t first, int64_t last)
{
    const struct product *p = task;
    if (p->matrix->type == FLOAT16)
        dots_of(FLOAT16, p, first, last);
    else if (p->matrix->type == INT8)
        dots_of(INT8, p, first, last);
    else
        dots_of(FLOAT32, p, first, last);
}
