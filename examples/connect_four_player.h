/* A Connect Four player that looks a number of moves ahead, to play and measure against. */
#ifndef CONNECT_FOUR_PLAYER_H
#define CONNECT_FOUR_PLAYER_H

#include <stdint.h>

/*
 * The column (0 … 6) for who moves next. observation: [2, 6, 7] as ConnectFour-v0 gives it. depth: moves
 * looked ahead, 1 or more. seed: chooses among moves that are equally good. A column that is not full must
 * be left.
 */
int connect_four_player(const float *observation, int depth, uint64_t seed);

#endif
