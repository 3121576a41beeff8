/* Products with weights that lie as (in, out), as GPT-2's Conv1D layers do. */

enum {
    PANEL = TILE_VECTORS * WIDTH, /* columns of a panel of converted weights */
    PANEL_BLOCK = 8 * PANEL,      /* columns converted at once: long runs of memory, and their floats stay in cache */
    PREFETCH_ROWS = 16,           /* how far ahead of a conversion */
    STREAM_ROWS = 8,              /* rows of x that are multiplied as the weight streams by */
    STREAM_DEPTH = 8,             /* rows of the weight that are read side by side */
    STREAM_BLOCK = 768,           /* columns whose sums stay in the first-level cache */
};

/* y (real_rows, vectors) += scales * (x (real_rows, depth) @ weight (depth, vectors)), the sums in registers. Where there are fewer
   than `rows`, the last one fills up. */
INLINE void tile(const int rows, const int vectors, const int type, int64_t real_rows, const float *x, int64_t x_stride,
                 int64_t depth, const void *weight, int64_t weight_stride, const float *scales, float *y, int64_t y_stride)
{
    vec sums[TILE_ROWS][TILE_VECTORS];
    const float *row[TILE_ROWS];
    for (int r = 0; r < rows; r++) {
        row[r] = x + least(r, real_rows - 1) * x_stride;
        for (int v = 0; v < vectors; v++)
            sums[r][v] = broadcast(0.0f);
    }
    for (int64_t k = 0; k < depth; k++) {
        vec numbers[TILE_VECTORS];
        for (int v = 0; v < vectors; v++)
            numbers[v] = weights(type, weight, k * weight_stride + v * WIDTH);
        for (int r = 0; r < rows; r++) {
            vec factor = broadcast(row[r][k]);
            for (int v = 0; v < vectors; v++)
                sums[r][v] = fused(factor, numbers[v], sums[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors && r < real_rows; v++) {
            float *to = y + r * y_stride + v * WIDTH;
            store(to, scales ? fused(sums[r][v], load(scales + v * WIDTH), load(to)) : add(load(to), sums[r][v]));
        }
}

INLINE void tiles(const int vectors, int64_t rows, const float *x, int64_t x_stride, int64_t depth, const float *panel,
                  int64_t panel_width, const float *scales, float *y, int64_t y_stride)
{
    for (; rows > 0; rows -= TILE_ROWS, x += TILE_ROWS * x_stride, y += TILE_ROWS * y_stride)
        tile(TILE_ROWS, vectors, FLOAT32, rows, x, x_stride, depth, panel, panel_width, scales, y, y_stride);
}

/* The same for one panel of up to PANEL columns, the last ones of which may be padding: y has only `width` of them. */
static void panel_product(int64_t rows, const float *x, int64_t x_stride, int64_t depth, const float *panel, int64_t padded,
                          const float *scales, int64_t width, float *y, int64_t y_stride)
{
    float edge[TILE_ROWS * PANEL], padded_scales[PANEL];
    if (width == padded) {
        int64_t v = 0;
        if (padded == PANEL) {
            tiles(TILE_VECTORS, rows, x, x_stride, depth, panel, padded, scales, y, y_stride);
            return;
        }
        for (; v + 2 * WIDTH <= padded; v += 2 * WIDTH)
            tiles(2, rows, x, x_stride, depth, panel + v, padded, scales ? scales + v : NULL, y + v, y_stride);
        if (v < padded)
            tiles(1, rows, x, x_stride, depth, panel + v, padded, scales ? scales + v : NULL, y + v, y_stride);
        return;
    }
    if (scales)
        memcpy(padded_scales, scales, (size_t)width * sizeof(float));
    for (int64_t v = width; v < padded; v++)
        padded_scales[v] = 0.0f;
    for (int64_t r = 0; r < rows; r += TILE_ROWS) {
        int64_t some = least(TILE_ROWS, rows - r);
        for (int64_t i = 0; i < some; i++)
            for (int64_t v = 0; v < padded; v++)
                edge[i * padded + v] = v < width ? y[(r + i) * y_stride + v] : 0.0f;
        panel_product(some, x + r * x_stride, x_stride, depth, panel, padded, scales ? padded_scales : NULL, padded, edge, padded);
        for (int64_t i = 0; i < some; i++)
            memcpy(y + (r + i) * y_stride, edge + i * padded, (size_t)width * sizeof(float));
    }
}

/* (depth, width) weights to panels of floats one after the other, each (depth, panel's width), filled up with zeros. */
INLINE void convert(const int type, const void *weight, int64_t stride, int64_t depth, int64_t width, float *panels)
{
    for (int64_t k = 0; k < depth; k++) {
        int64_t n = 0;
        for (int64_t line = 0; line < width; line += 64 / bytes_of(type))
            __builtin_prefetch(at(type, weight, (k + PREFETCH_ROWS) * stride + line));
        for (; n + PANEL <= width; n += PANEL)
            for (int v = 0; v < PANEL; v += WIDTH)
                store(panels + depth * n + k * PANEL + v, weights(type, weight, k * stride + n + v));
        int64_t padded = (width - n + WIDTH - 1) / WIDTH * WIDTH;
        float *last = panels + depth * n + k * padded;
        for (int64_t v = 0; v < padded; v += WIDTH)
            store(last + v, some_weights(type, weight, k * stride + n + v, width - n - v));
    }
}

/* y (rows, width) += scales * (x (rows, depth) @ weight (depth, width)) for one group; `panels` has room for what is converted. */
INLINE void group_product(const int type, int64_t rows, const float *x, int64_t x_stride, int64_t depth, const void *weight,
                          int64_t stride, const float *scales, int64_t width, float *y, int64_t y_stride, float *panels)
{
    convert(type, weight, stride, depth, width, panels);
    for (int64_t n = 0; n < width; n += PANEL) {
        int64_t here = least(PANEL, width - n), padded = (here + WIDTH - 1) / WIDTH * WIDTH;
        panel_product(rows, x, x_stride, depth, panels + depth * n, padded, scales ? scales + n : NULL, here, y + n, y_stride);
    }
}

/* sums (rows, width) = or += x (rows, count) @ weight (count, width): `count` rows of the weight are read side by side. */
INLINE void add_rows(const int type, const int rows, const int count, const float *x, int64_t x_stride, int64_t real_rows,
                     const void *weight, int64_t stride, int64_t width, float *sums, int fresh)
{
    const float *row[STREAM_ROWS];
    for (int r = 0; r < rows; r++)
        row[r] = x + least(r, real_rows - 1) * x_stride;
    for (int64_t n = 0; n < width; n += WIDTH) {
        vec here[STREAM_ROWS];
        for (int i = 0; i < count && starts_line(type, n); i++)
            __builtin_prefetch(at(type, weight, (i + count) * stride + n));
        for (int r = 0; r < rows; r++)
            here[r] = fresh ? broadcast(0.0f) : load(sums + r * STREAM_BLOCK + n);
        for (int i = 0; i < count; i++) {
            vec numbers = some_weights(type, weight, i * stride + n, width - n);
            for (int r = 0; r < rows; r++)
                here[r] = fused(broadcast(row[r][i]), numbers, here[r]);
        }
        for (int r = 0; r < rows; r++)
            store(sums + r * STREAM_BLOCK + n, here[r]);
    }
}

/* The product of few rows: the weight is read once, in its own order. `rows` is p->rows or more: the last one fills up. */
INLINE void stream(const int type, const int rows, const struct product *p, int64_t first, int64_t width)
{
    const struct matrix *m = p->matrix;
    float sums[STREAM_ROWS * STREAM_BLOCK];
    for (int64_t k = 0; k < m->in; k += depth_of(type)) {
        int64_t depth = least(depth_of(type), m->in - k), i = 0;
        const float *x = p->x + k;
        const void *weight = at(type, m->weight, k * m->out + first);
        const float *scales = type == INT8 ? m->scales + k / GROUP * m->out + first : NULL;
        for (; i + STREAM_DEPTH <= depth; i += STREAM_DEPTH)
            add_rows(type, rows, STREAM_DEPTH, x + i, m->in, p->rows, at(type, weight, i * m->out), m->out, width, sums, i == 0);
        for (; i < depth; i++)
            add_rows(type, rows, 1, x + i, m->in, p->rows, at(type, weight, i * m->out), m->out, width, sums, i == 0);
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t n = 0; n < width; n += WIDTH) {
                float *to = p->y + r * m->out + first + n;
                vec y = load_some(to, width - n), group = load(sums + r * STREAM_BLOCK + n);
                store_some(to, scales ? fused(group, load_some(scales + n, width - n), y) : add(y, group), width - n);
            }
    }
}

INLINE void panels(const int type, const struct product *p, int64_t first, int64_t width)
{
    const struct matrix *m = p->matrix;
    float *buffer = scratch((size_t)(depth_of(type) * PANEL_BLOCK));
    for (int64_t k = 0; k < m->in; k += depth_of(type))
        group_product(type, p->rows, p->x + k, m->in, least(depth_of(type), m->in - k), at(type, m->weight, k * m->out + first), m->out,
                      type == INT8 ? m->scales + k / GROUP * m->out + first : NULL, width, p->y + first, m->out, buffer);
}

INLINE void column_block(const int type, const struct product *p, int64_t first, int64_t width)
{
    if (p->rows == 1)
        stream(type, 1, p, first, width);
    else if (p->rows <= STREAM_ROWS / 2)
        stream(type, STREAM_ROWS / 2, p, first, width);
    else if (p->rows <= STREAM_ROWS)
        stream(type, STREAM_ROWS, p, first, width);
    else
        panels(type, p, first, width);
}

static void columns(const void *task, int64_t first, int64_t last)
{
    const struct product *p = task;
    const struct matrix *m = p->matrix;
    int64_t block = p->rows <= STREAM_ROWS ? STREAM_BLOCK : PANEL_BLOCK;
    for (; first < last; first += block) {
        int64_t width = least(block, last - first);
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t n = 0; n < width; n++) {
                float *y = p->y + r * m->out + first + n;
                *y = (p->accumulate ? *y : 0.0f) + (m->bias ? m->bias[first + n] : 0.0f);
            }
        if (m->type == FLOAT16)
            column_block(FLOAT16, p, first, width);
        else if (m->type == INT8)
            column_block(INT8, p, first, width);
        else
            column_block(FLOAT32, p, first, width);
        if (m->activation == GELU_TANH)
            for (int64_t r = 0; r < p->rows; r++)
                for (int64_t n = 0; n < width; n += WIDTH) {
                    float *y = p->y + r * m->out + first + n;
                    store_some(y, gelu_tanh(load_some(y, width - n)), width - n);
                }
    }
}
