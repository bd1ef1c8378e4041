/* Rows of channels, for convolutions and batch norm. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_CHANNELS_H
#define FST_KERNELS_ISA_CHANNELS_H

#include "kernels/channels.h"
#include "kernels/isa_rows.h"

typedef unsigned char vector_raw __attribute__((vector_size(VECTOR_BYTES)));

/* One piece of whole registers; its last one overlaps the one before it. */
INLINE void copy_wide(const char *from, char *to, int64_t bytes)
{
    vector_raw v;
    int64_t at = 0;
    for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) {
        memcpy(&v, from + at, sizeof v);
        memcpy(to + at, &v, sizeof v);
    }
    if (at < bytes) {
        memcpy(&v, from + bytes - VECTOR_BYTES, sizeof v);
        memcpy(to + bytes - VECTOR_BYTES, &v, sizeof v);
    }
}

static void copy_pieces(const void *x, int64_t x_step, void *y, int64_t y_step, int64_t pieces,
                        int64_t bytes)
{
    const char *from = x;
    char *to = y;
    if (bytes >= VECTOR_BYTES) {
        for (int64_t i = 0; i < pieces; ++i)
            copy_wide(from + i * x_step, to + i * y_step, bytes);
    } else if (bytes % 4 == 0) {
        for (int64_t i = 0; i < pieces; ++i)
            for (int64_t at = 0; at < bytes; at += 4) {
                uint32_t word;
                memcpy(&word, from + i * x_step + at, sizeof word);
                memcpy(to + i * y_step + at, &word, sizeof word);
            }
    } else {
        for (int64_t i = 0; i < pieces; ++i)
            memcpy(to + i * y_step, from + i * x_step, (size_t)bytes);
    }
}

#ifdef FST__REAL_DOUBLE
typedef int64_t narrow_bits __attribute__((vector_size(sizeof(vector_narrow))));
#else
typedef int32_t narrow_bits __attribute__((vector_size(sizeof(vector_narrow))));
#endif

INLINE vector_narrow narrow_load(const fst__real *p)
{
    vector_narrow v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void add_wide(double *target, vector_double v)
{
    vector_double old;
    memcpy(&old, target, sizeof old);
    v += old;
    memcpy(target, &v, sizeof v);
}

/* `groups` registers of channels at once, so that a row's whole cache line is used when it comes. */
INLINE void sums_of_groups(const fst__real *x, int64_t rows, int64_t stride, int groups,
                           double *sum, double *squares)
{
    vector_double total[UNROLL] = {{0}}, square[UNROLL] = {{0}};
    for (int64_t r = 0; r < rows; ++r)
        for (int g = 0; g < groups; ++g) {
            vector_narrow narrow = narrow_load(x + r * stride + g * LANES_DOUBLE);
            vector_double wide = __builtin_convertvector(narrow, vector_double);
            total[g] += wide;
            square[g] += wide * wide;
        }
    for (int g = 0; g < groups; ++g) {
        add_wide(sum + g * LANES_DOUBLE, total[g]);
        add_wide(squares + g * LANES_DOUBLE, square[g]);
    }
}

static void channel_sums(const fst__real *x, int64_t rows, int64_t columns, double *sum,
                         double *squares)
{
    int64_t c = 0;
    for (; c + UNROLL * LANES_DOUBLE <= columns; c += UNROLL * LANES_DOUBLE)
        sums_of_groups(x + c, rows, columns, UNROLL, sum + c, squares + c);
    for (; c + LANES_DOUBLE <= columns; c += LANES_DOUBLE)
        sums_of_groups(x + c, rows, columns, 1, sum + c, squares + c);
    for (; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) {
            double value = (double)x[r * columns + c];
            sum[c] += value;
            squares[c] += value * value;
        }
}

enum { MASK_NONE, MASK_ACTIVE, MASK_NORMED };

INLINE int mask_of(bool relu, const fst__real *active)
{
    return !relu ? MASK_NONE : active ? MASK_ACTIVE : MASK_NORMED;
}

INLINE void gradient_sums_of_groups(const fst__channels *ch, int64_t c, const fst__real *x, int mask,
                                    const fst__real *active, const fst__real *dy, int64_t rows,
                                    int groups, double *sum, double *sum_x)
{
    vector_double total[UNROLL] = {{0}}, product[UNROLL] = {{0}};
    for (int64_t r = 0; r < rows; ++r)
        for (int g = 0; g < groups; ++g) {
            int64_t at = r * ch->columns + c + g * LANES_DOUBLE, channel = c + g * LANES_DOUBLE;
            vector_narrow d = narrow_load(dy + at), rstd = narrow_load(ch->rstd + channel);
            vector_narrow deviation = narrow_load(x + at) - narrow_load(ch->mean + channel);
            vector_narrow shown = {0};
            if (mask == MASK_ACTIVE)
                shown = narrow_load(active + at);
            if (mask == MASK_NORMED) {
                shown = deviation * (ch->gamma ? rstd * narrow_load(ch->gamma + channel) : rstd);
                if (ch->beta)
                    shown += narrow_load(ch->beta + channel);
            }
            if (mask != MASK_NONE)
                d = (vector_narrow)((narrow_bits)d & (narrow_bits)(shown > 0));
            vector_double wide = __builtin_convertvector(d, vector_double);
            total[g] += wide;
            product[g] += wide * __builtin_convertvector(deviation * rstd, vector_double);
        }
    for (int g = 0; g < groups; ++g) {
        add_wide(sum + c + g * LANES_DOUBLE, total[g]);
        add_wide(sum_x + c + g * LANES_DOUBLE, product[g]);
    }
}

/* The channels that fill no register. */
INLINE void gradient_sums_of_one(const fst__channels *ch, int64_t c, const fst__real *x, int mask,
                                 const fst__real *active, const fst__real *dy, int64_t rows,
                                 double *sum, double *sum_x)
{
    for (int64_t r = 0; r < rows; ++r) {
        int64_t at = r * ch->columns + c;
        fst__real deviation = x[at] - ch->mean[c];
        fst__real shown = mask == MASK_ACTIVE ? active[at] : 1;
        if (mask == MASK_NORMED)
            shown = deviation * (ch->gamma ? ch->rstd[c] * ch->gamma[c] : ch->rstd[c]) +
                    (ch->beta ? ch->beta[c] : 0);
        if (!(shown > 0))
            continue;
        sum[c] += (double)dy[at];
        sum_x[c] += (double)dy[at] * (double)(deviation * ch->rstd[c]);
    }
}

INLINE void gradient_sums_masked(const fst__channels *ch, const fst__real *x, int mask,
                                 const fst__real *active, const fst__real *dy, int64_t rows,
                                 double *sum, double *sum_x)
{
    int64_t c = 0, columns = ch->columns;
    for (; c + UNROLL * LANES_DOUBLE <= columns; c += UNROLL * LANES_DOUBLE)
        gradient_sums_of_groups(ch, c, x, mask, active, dy, rows, UNROLL, sum, sum_x);
    for (; c + LANES_DOUBLE <= columns; c += LANES_DOUBLE)
        gradient_sums_of_groups(ch, c, x, mask, active, dy, rows, 1, sum, sum_x);
    for (; c < columns; ++c)
        gradient_sums_of_one(ch, c, x, mask, active, dy, rows, sum, sum_x);
}

static void channel_gradient_sums(const fst__channels *ch, const fst__real *x, bool relu,
                                  const fst__real *active, const fst__real *dy, int64_t rows,
                                  double *sum, double *sum_x)
{
    int mask = mask_of(relu, active);
    if (mask == MASK_NORMED)
        gradient_sums_masked(ch, x, MASK_NORMED, NULL, dy, rows, sum, sum_x);
    else if (mask == MASK_ACTIVE)
        gradient_sums_masked(ch, x, MASK_ACTIVE, active, dy, rows, sum, sum_x);
    else
        gradient_sums_masked(ch, x, MASK_NONE, NULL, dy, rows, sum, sum_x);
}

INLINE void norm_rows(const fst__channels *ch, const fst__real *x, const fst__real *onto, bool relu,
                      fst__real *y, int64_t rows)
{
    for (int64_t c = 0; c < ch->columns; c += LANES) {
        int64_t left = ch->columns - c;
        vector mean = vector_read(ch->mean + c, left), scale = vector_read(ch->rstd + c, left);
        vector shift = {0};
        if (ch->gamma)
            scale *= vector_read(ch->gamma + c, left);
        if (ch->beta)
            shift = vector_read(ch->beta + c, left);
        for (int64_t r = 0; r < rows; ++r) {
            int64_t at = r * ch->columns + c;
            vector v = (vector_read(x + at, left) - mean) * scale + shift;
            if (onto)
                v += vector_read(onto + at, left);
            if (relu)
                v = vector_select(v < 0, vector_of(0), v); /* a NaN stays */
            vector_write(y + at, v, left);
        }
    }
}

static void channel_norm(const fst__channels *ch, const fst__real *x, const fst__real *onto,
                         bool relu, fst__real *y, int64_t rows)
{
    if (onto && relu)
        norm_rows(ch, x, onto, true, y, rows);
    else if (relu)
        norm_rows(ch, x, NULL, true, y, rows);
    else
        norm_rows(ch, x, onto, false, y, rows);
}

INLINE void gradient_rows(const fst__channels_gradient *ch, const fst__real *x, int mask,
                          const fst__real *active, const fst__real *dy, fst__real *masked,
                          fst__real *dx, int64_t rows)
{
    for (int64_t c = 0; c < ch->columns; c += LANES) {
        int64_t left = ch->columns - c;
        vector mean = vector_read(ch->mean + c, left), gain = vector_read(ch->gain + c, left);
        vector slope = vector_read(ch->slope + c, left), offset = vector_read(ch->offset + c, left);
        vector beta = {0};
        if (mask == MASK_NORMED && ch->beta)
            beta = vector_read(ch->beta + c, left);
        for (int64_t r = 0; r < rows; ++r) {
            int64_t at = r * ch->columns + c;
            vector d = vector_read(dy + at, left);
            vector deviation = vector_read(x + at, left) - mean;
            if (mask == MASK_ACTIVE)
                d = vector_select(vector_read(active + at, left) > 0, d, vector_of(0));
            if (mask == MASK_NORMED)
                d = vector_select(deviation * gain + beta > 0, d, vector_of(0));
            if (masked)
                vector_write(masked + at, d, left);
            vector_write(dx + at, gain * d - slope * deviation - offset, left);
        }
    }
}

static void channel_gradient(const fst__channels_gradient *ch, const fst__real *x, bool relu,
                             const fst__real *active, const fst__real *dy, fst__real *masked,
                             fst__real *dx, int64_t rows)
{
    int mask = mask_of(relu, active);
    if (mask == MASK_ACTIVE)
        gradient_rows(ch, x, MASK_ACTIVE, active, dy, masked, dx, rows);
    else if (mask == MASK_NORMED)
        gradient_rows(ch, x, MASK_NORMED, NULL, dy, masked, dx, rows);
    else
        gradient_rows(ch, x, MASK_NONE, NULL, dy, masked, dx, rows);
}

#endif
