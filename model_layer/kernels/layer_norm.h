/* Layer normalisation over the width (arXiv:1607.06450 eq. 3). */

static void layer_norm(const void *task, int64_t first, int64_t last)
{
    const struct normalisation *n = task;
    const int64_t width = n->width;
    for (; first < last; first++) {
        const float *x = n->x + first * width;
        float *y = n->y + first * width;
        vec total = broadcast(0.0f), squares = broadcast(0.0f);
        for (int64_t i = 0; i < width; i += WIDTH)
            total = add(total, load_some(x + i, width - i));
        vec mean = broadcast(sum(total) / (float)width);
        for (int64_t i = 0; i < width; i += WIDTH) {
            vec centred = subtract(load_some(x + i, width - i), mean);
            store_some(y + i, centred, width - i);
            centred = load_some(y + i, width - i); /* without what lies beyond the row's end */
            squares = fused(centred, centred, squares);
        }
        vec factor = broadcast(1.0f / sqrtf(sum(squares) / (float)width + n->epsilon));
        for (int64_t i = 0; i < width; i += WIDTH) {
            vec scaled = multiply(multiply(load_some(y + i, width - i), factor), load_some(n->gain + i, width - i));
            store_some(y + i, add(scaled, load_some(n->bias + i, width - i)), width - i);
        }
    }
}
