/*
 * Connect Four: two players drop discs into seven columns of six; four in a row, a column or a diagonal win.
 */
#ifndef FST_ENV_CONNECT_FOUR_H
#define FST_ENV_CONNECT_FOUR_H

#include "base/text.h"

#include <stdint.h>

enum { FST__FOUR_ROWS = 6, FST__FOUR_COLUMNS = 7, FST__FOUR_CELLS = FST__FOUR_ROWS * FST__FOUR_COLUMNS };

/* All doubles: an environment's state is this structure's bytes. */
typedef struct fst__four_state {
    double player;                 /* who moves next: 0, who began, or 1 */
    double last;                   /* the cell of the last disc; −1: none */
    double cells[FST__FOUR_CELLS]; /* [rows, columns], row 0 uppermost: 0 empty, 1 player 0's, 2 player 1's */
} fst__four_state;

void fst__four_reset(fst__four_state *state);
/* The row where a disc in this column would lie; −1: the column is full. */
int fst__four_row(const fst__four_state *state, int column);
/* The mover drops a disc; 1: and has won with it, 0 if not. A full column stays as it is. */
int fst__four_drop(fst__four_state *state, int column);
int fst__four_is_full(const fst__four_state *state);
/* The cells of all fours through the last disc: 1 in `four`; their count. */
int fst__four_find(const fst__four_state *state, uint8_t four[FST__FOUR_CELLS]);

void fst__four_write_text(const fst__four_state *state, fst__text *text);
void fst__four_write_svg(const fst__four_state *state, fst__text *text);

#endif
