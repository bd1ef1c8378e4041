/*
 * Negamax with alpha-beta pruning on bitboards: column c has bits 7c (its lowest cell) to 7c + 5, and bit
 * 7c + 6 stays empty, so that four in a row never goes on over an edge.
 */
#include "connect_four_player.h"

enum { ROWS = 6, COLUMNS = 7, HIGH = ROWS + 1, CELLS = ROWS * COLUMNS };
enum { WIN = 10000 };

typedef struct board {
    uint64_t own, other; /* of who moves next, of the other one */
} board;

static const int order[COLUMNS] = {3, 2, 4, 1, 5, 0, 6}; /* the centre is worth most: pruned soonest */

static uint64_t cell(int row, int column)
{
    return (uint64_t)1 << (column * HIGH + row);
}

static int has_four(uint64_t discs)
{
    static const int steps[4] = {1, HIGH, HIGH + 1, HIGH - 1};
    for (int i = 0; i < 4; ++i) {
        uint64_t pairs = discs & (discs >> steps[i]);
        if (pairs & (pairs >> 2 * steps[i]))
            return 1;
    }
    return 0;
}

/* The cell where a disc in this column would lie; 0 where it is full. */
static uint64_t drop(const board *b, int column)
{
    uint64_t taken = b->own | b->other;
    for (int row = 0; row < ROWS; ++row)
        if (!(taken & cell(row, column)))
            return cell(row, column);
    return 0;
}

static int count(uint64_t bits)
{
    int n = 0;
    for (; bits; bits &= bits - 1)
        ++n;
    return n;
}

/* What four cells in a line are worth: nothing once both have discs there. */
static int window_value(const board *b, uint64_t window)
{
    static const int values[5] = {0, 1, 4, 16, 0};
    int own = count(b->own & window), other = count(b->other & window);
    return own && other ? 0 : values[own] - values[other];
}

static int evaluate(const board *b)
{
    static const int directions[4][2] = {{0, 1}, {1, 0}, {1, 1}, {-1, 1}}; /* rows, columns */
    int value = 0;
    for (int d = 0; d < 4; ++d)
        for (int row = 0; row < ROWS; ++row)
            for (int column = 0; column < COLUMNS; ++column) {
                int last_row = row + 3 * directions[d][0], last_column = column + 3 * directions[d][1];
                if (last_row < 0 || last_row >= ROWS || last_column >= COLUMNS)
                    continue;
                uint64_t window = 0;
                for (int i = 0; i < 4; ++i)
                    window |= cell(row + i * directions[d][0], column + i * directions[d][1]);
                value += window_value(b, window);
            }
    return value;
}

/* The value for who moves next; a sooner win is worth more. */
static int search(const board *b, int depth, int alpha, int beta)
{
    int moves = 0;
    if (has_four(b->other))
        return -WIN - depth;
    if (depth == 0)
        return evaluate(b);
    for (int i = 0; i < COLUMNS && alpha < beta; ++i) {
        uint64_t disc = drop(b, order[i]);
        if (!disc)
            continue;
        board next = {b->other, b->own | disc};
        int value = -search(&next, depth - 1, -beta, -alpha);
        alpha = value > alpha ? value : alpha;
        ++moves;
    }
    return moves ? alpha : 0;
}

static uint64_t mixed(uint64_t x) /* splitmix64 */
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

int connect_four_player(const float *observation, int depth, uint64_t seed)
{
    board b = {0, 0};
    int best = -1, best_value = -2 * WIN, alike = 0;
    for (int row = 0; row < ROWS; ++row)
        for (int column = 0; column < COLUMNS; ++column) {
            int i = (ROWS - 1 - row) * COLUMNS + column;
            b.own |= observation[i] > 0 ? cell(row, column) : 0;
            b.other |= observation[CELLS + i] > 0 ? cell(row, column) : 0;
        }
    for (int i = 0; i < COLUMNS; ++i) {
        uint64_t disc = drop(&b, order[i]);
        if (!disc)
            continue;
        /* The window lets an equal value through exactly: equal moves are seen as equal. */
        board next = {b.other, b.own | disc};
        int value = -search(&next, depth - 1, -2 * WIN, -(best_value - 1));
        alike = value > best_value ? 1 : alike + (value == best_value);
        if (value > best_value || (value == best_value && mixed(seed + (uint64_t)i) % (uint64_t)alike == 0))
            best = order[i];
        best_value = value > best_value ? value : best_value;
    }
    return best;
}
