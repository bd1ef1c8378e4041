/*
 * Compiled once per instruction set with -DFST__ISA=its name and its flags; nothing here but the
 * table is visible outside, so no code of a better instruction set leaks into a common symbol.
 */
#include "kernels/isa_rows.h"

#include "kernels/isa_activation.h"
#include "kernels/isa_attention.h"
#include "kernels/isa_channels.h"
#include "kernels/isa_dense.h"
#include "kernels/isa_norm.h"
#include "kernels/isa_product.h"
#include "kernels/isa_random.h"
#include "kernels/isa_tables.h"
#include "kernels/isa_update.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

const fst__kernels JOIN(fst__kernels_, FST__ISA) = {
    .name = TEXT(FST__ISA),
    .from_bf16 = from_bf16,
    .to_bf16 = to_bf16,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .dot = dot,
    .sum = sum,
    .max = row_max,
    .sum_squares = sum_squares,
    .exp = row_exp,
    .exp_sum = exp_sum,
    .log_sum_exp = log_sum_exp,
    .softmax = softmax,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .gated_forward = gated_forward,
    .gated_backward = gated_backward,
    .square_deviation = square_deviation,
    .normalise = normalise,
    .norm_sums = norm_sums,
    .norm_gradient = norm_gradient,
    .rotate = rotate,
    .random_words = random_words,
    .dropout = dropout,
    .affine = affine,
    .exp_sum_scaled = exp_sum_scaled,
    .attention_gradient = attention_gradient,
    .rows_dot = rows_dot,
    .rows_add = rows_add,
    .product_few_rows = product_few_rows,
    .dense_product = dense_product,
    .output_slope = output_slope,
    .turn = turn,
    .copy_pieces = copy_pieces,
    .channel_sums = channel_sums,
    .channel_norm = channel_norm,
    .channel_gradient_sums = channel_gradient_sums,
    .channel_gradient = channel_gradient,
    .adamw_update = adamw_update,
    .sgd_update = sgd_update,
    .muon_direction = muon_direction,
    .muon_update = muon_update,
};
