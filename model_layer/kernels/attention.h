/* Causal attention over pages of keys and values, softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, eq. 1), a head at a time. */

enum { QUERIES = 32 }; /* queries scored at once */

/* Up to a vector of floats in the pages' type. */
static void narrow(int32_t type, const float *from, int64_t count, float *to)
{
    if (type == FLOAT16)
        store_f16((uint16_t *)to, within_half(load_some(from, count)));
    else
        store(to, load_some(from, count));
}

/* Puts the span's new keys and values of one head into its pages. */
static void remember(const struct attention *a, int64_t span, int64_t head)
{
    int64_t width = a->heads * a->head_width, size = bytes_of(a->type);
    for (int64_t t = 0; t < a->count[span]; t++) {
        int64_t token = a->before[span] + t, page = a->first_page[span] + token / PAGE_TOKENS, slot = token % PAGE_TOKENS;
        const float *key = a->mixed + (a->begin[span] + t) * 3 * width + width + head * a->head_width, *value = key + width;
        int64_t offset = a->page_offset + head * a->head_width * PAGE_TOKENS * size;
        char *keys = (char *)a->keys[page] + offset, *values = (char *)a->values[page] + offset;
        for (int64_t d = 0; d < a->head_width; d += WIDTH) {
            int64_t count = least(WIDTH, a->head_width - d);
            float numbers[WIDTH];
            narrow(a->type, key + d, count, numbers);
            for (int64_t i = 0; i < count; i++)
                memcpy(keys + ((d + i) * PAGE_TOKENS + slot) * size, (char *)numbers + i * size, (size_t)size);
            narrow(a->type, value + d, count, numbers);
            memcpy(values + (slot * a->head_width + d) * size, numbers, (size_t)(count * size));
        }
    }
}

/* Scores to weights that sum to 1; the scores beyond `count`, of later tokens, to zeros. `room` is a multiple of WIDTH. */
static void softmax(float *scores, int64_t count, int64_t room)
{
    vec total = broadcast(0.0f);
    for (int64_t t = count; t < room; t++)
        scores[t] = -INFINITY;
    vec most = load(scores);
    for (int64_t t = WIDTH; t < room; t += WIDTH)
        most = maximum(most, load(scores + t));
    most = broadcast(greatest(most));
    for (int64_t t = 0; t < room; t += WIDTH)
        store(scores + t, exponential(subtract(load(scores + t), most)));
    for (int64_t t = count; t < room; t++)
        scores[t] = 0.0f;
    for (int64_t t = 0; t < room; t += WIDTH)
        total = add(total, load(scores + t));
    vec share = broadcast(1.0f / sum(total));
    for (int64_t t = 0; t < room; t += WIDTH)
        store(scores + t, multiply(load(scores + t), share));
}

/* y (rows, width) += x (rows, depth) @ weight (depth, width) */
INLINE void page_product(const int type, int64_t rows, const float *x, int64_t x_stride, int64_t depth, const void *weight,
                         int64_t width, float *y, int64_t y_stride, float *buffer)
{
    for (int64_t k = 0; k < depth; k += depth_of(type)) {
        int64_t some = least(depth_of(type), depth - k);
        const void *part = at(type, weight, k * width);
        if (rows > 1 || width % WIDTH)
            group_product(type, rows, x + k, x_stride, some, part, width, NULL, width, y, y_stride, buffer);
        else
            for (int64_t n = 0; n < width; n += WIDTH)
                tile(1, 1, type, 1, x + k, x_stride, some, at(type, part, n), width, NULL, y + n, y_stride);
    }
}

/* The next page lies elsewhere, where the processor does not look for it by itself. */
INLINE void prefetch(const char *memory, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(memory + i);
}

INLINE void attend_head(const int type, const struct attention *a, int64_t span, int64_t head)
{
    const int64_t d = a->head_width, width = a->heads * d, before = a->before[span];
    const int64_t room = (before + a->count[span] + PAGE_TOKENS - 1) / PAGE_TOKENS * PAGE_TOKENS;
    const int64_t offset = a->page_offset + head * d * PAGE_TOKENS * bytes_of(type);
    const int64_t panels = depth_of(type) * (d + 2 * PANEL + PAGE_TOKENS); /* of converted keys or values */
    float *buffer = scratch((size_t)(panels + QUERIES * (d + room)));
    float *queries = buffer + panels, *scores = queries + QUERIES * d;
    for (int64_t q = 0; q < a->count[span]; q += QUERIES) {
        const int64_t rows = least(QUERIES, a->count[span] - q), seen = before + q + rows;
        const float *from = a->mixed + (a->begin[span] + q) * 3 * width + head * d;
        float *to = a->attended + (a->begin[span] + q) * width + head * d;
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t i = 0; i < d; i++)
                queries[r * d + i] = from[r * 3 * width + i] * a->scale;
            memset(scores + r * room, 0, (size_t)room * sizeof(float));
            memset(to + r * width, 0, (size_t)d * sizeof(float));
        }
        void *const *keys = a->keys + a->first_page[span], *const *values = a->values + a->first_page[span];
        for (int64_t t = 0; t < seen; t += PAGE_TOKENS) {
            if (t + PAGE_TOKENS < seen)
                prefetch((char *)keys[t / PAGE_TOKENS + 1] + offset, d * PAGE_TOKENS * bytes_of(type));
            page_product(type, rows, queries, d, d, (char *)keys[t / PAGE_TOKENS] + offset, PAGE_TOKENS, scores + t, room, buffer);
        }
        for (int64_t r = 0; r < rows; r++)
            softmax(scores + r * room, before + q + r + 1, (seen + PAGE_TOKENS - 1) / PAGE_TOKENS * PAGE_TOKENS);
        for (int64_t t = 0; t < seen; t += PAGE_TOKENS) {
            if (t + PAGE_TOKENS < seen)
                prefetch((char *)values[t / PAGE_TOKENS + 1] + offset, d * PAGE_TOKENS * bytes_of(type));
            page_product(type, rows, scores + t, room, PAGE_TOKENS, (char *)values[t / PAGE_TOKENS] + offset, d, to, width, buffer);
        }
    }
}

static void attend(const void *task, int64_t first, int64_t last)
{
    const struct attention *a = task;
    for (; first < last; first++) {
        int64_t span = first / a->heads, head = first % a->heads;
        remember(a, span, head);
        if (a->type == FLOAT16)
            attend_head(FLOAT16, a, span, head);
        else
            attend_head(FLOAT32, a, span, head);
    }
}
