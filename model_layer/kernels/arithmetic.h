/* Numbers of every type as vectors of floats, rows that end within a vector, and the functions e^x and GELU. */
#define INLINE static inline __attribute__((always_inline)) /* with constants for `type`, `rows` and `vectors` */

INLINE vec weights(const int type, const void *weight, int64_t index)
{
    if (type == FLOAT16)
        return load_f16((const uint16_t *)weight + index);
    if (type == INT8)
        return load_i8((const int8_t *)weight + index);
    return load((const float *)weight + index);
}

INLINE int64_t bytes_of(const int type)
{
    return type == FLOAT16 ? 2 : type == INT8 ? 1 : 4;
}

INLINE const void *at(const int type, const void *weight, int64_t index)
{
    return (const char *)weight + index * bytes_of(type);
}

/* Inputs whose products are summed before they are scaled and added to the result. */
INLINE int64_t depth_of(const int type)
{
    return type == INT8 ? GROUP : 2 * GROUP;
}

/* Whether number `index` of an aligned row is the first of its 64 bytes, which are fetched together. */
INLINE int starts_line(const int type, int64_t index)
{
    return (index & (64 / bytes_of(type) - 1)) == 0;
}

/* A vector of a row that has `count` numbers left; where those are fewer than a vector, zeros follow. */
INLINE vec some_weights(const int type, const void *weight, int64_t index, int64_t count)
{
    float buffer[WIDTH] = {0};
    if (count >= WIDTH)
        return weights(type, weight, index);
    memcpy(buffer, at(type, weight, index), (size_t)(count * bytes_of(type)));
    return weights(type, buffer, 0);
}

INLINE vec load_some(const float *p, int64_t count)
{
    return some_weights(FLOAT32, p, 0, count);
}

INLINE void store_some(float *p, vec a, int64_t count)
{
    float buffer[WIDTH];
    if (count >= WIDTH) {
        store(p, a);
        return;
    }
    store(buffer, a);
    memcpy(p, buffer, (size_t)count * sizeof(float));
}

/* The nearest number that float16 holds. One beyond 65,504 would be infinite, and times a weight of 0 not a number. */
INLINE vec within_half(vec a)
{
    return minimum(broadcast(65504.0f), maximum(broadcast(-65504.0f), a));
}

INLINE int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* e^x to 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, e^r by its Taylor series to r^7 / 7!. */
static inline vec exponential(vec x)
{
    static const float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    x = minimum(broadcast(88.0f), maximum(broadcast(-87.0f), x)); /* in this order what is not a number stays so */
    vec n = rounded(multiply(x, broadcast(1.44269504f)));
    vec r = fused(n, broadcast(-0.693359375f), x); /* ln 2 in two parts: n times the first is exact */
    r = fused(n, broadcast(2.12194440e-4f), r);
    vec sum = broadcast(1.0f / 5040);
    for (int i = 0; i < 7; i++)
        sum = fused(sum, r, broadcast(factors[i]));
    return multiply(sum, two_to_the(n));
}

/* GELU by tanh (arXiv:1606.08415 section 2): x (1 + tanh u) / 2 = x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3). */
static inline vec gelu_tanh(vec x)
{
    const float twice = -2.0f * 0.797884561f;
    vec cubic = fused(multiply(multiply(x, x), broadcast(0.044715f)), x, x);
    return divide(x, add(broadcast(1.0f), exponential(multiply(cubic, broadcast(twice)))));
}
