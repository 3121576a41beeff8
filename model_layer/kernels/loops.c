/* The hot loops, in terms of the few vector operations of vectors_*.h; compiled once for each instruction set.

   Every sum is taken in one fixed order, whatever else is computed beside it. So a result has the same bits in a single step, in
   a batch, in a prefill and on any number of threads. */
#include <math.h>
#include <string.h>

#include "kernels.h"

#if defined(PATH_AVX512)
#include "vectors_avx512.h"
#define PATH avx512
#elif defined(PATH_AVX2)
#include "vectors_avx2.h"
#define PATH avx2
#elif defined(PATH_NEON)
#include "vectors_neon.h"
#define PATH neon
#else
#include "vectors_plain.h"
#define PATH plain
#endif

#include "arithmetic.h"
#include "columns.h"
#include "dots.h"
#include "layer_norm.h"
#include "attention.h"

#define TEXT_OF(name) #name
#define PATH_NAMED(name) const struct path name##_path = {TEXT_OF(name), PANEL, columns, dots, layer_norm, attend}
#define THIS_PATH(name) PATH_NAMED(name)
THIS_PATH(PATH);
