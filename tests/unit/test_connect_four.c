/* Connect Four: fours in all directions, masks, perspectives, and the player that looks ahead. */
#include "../support/built_in.h"
#include "../../examples/connect_four_player.h"

typedef struct game {
    fst_context *context;
    fst_env *env;
} game;

static game begin(void)
{
    game g = {.context = tiny_context(1)};
    g.env = built_in(g.context, "ConnectFour-v0", 1, 0);
    REQUIRE(fst_env_reset(g.env, 0));
    return g;
}

static void end(game *g)
{
    fst_env_destroy(g->env);
    fst_context_destroy(g->context);
}

/* Columns 1 … 7, as people write them; the last move's batch. */
static fst_env_batch play(game *g, const char *columns)
{
    for (; *columns; ++columns) {
        int32_t action = *columns - '1';
        fst_env_batch before = batch_of(g->env);
        ck_assert_msg(!before.terminated[0], "over before %s", columns);
        REQUIRE(fst_env_step(g->env, &action));
    }
    return batch_of(g->env);
}

static const struct {
    const char *moves;
    int winner;
} wins[] = {
    {"1213141", 0},                /* a column */
    {"1122334", 0},                /* a row, the left end last */
    {"1223", -1},                  /* not yet */
    {"7162636", -1},               /* three of player 1 in a row, and no more */
    {"71626364", 1},               /* a row of player 1, the right end last */
    {"4455667", 0},                /* a row to the right edge */
    {"12233434544", 0},            /* a diagonal that rises to the right */
    {"76655454344", 0},            /* one that falls to the right */
    {"1112223313", -1},            /* mixed columns */
    {"1122553", -1},               /* a gap */
    {"11225534", -1},              /* a gap closed by the other */
    {"1122554334", -1},
};

START_TEST(test_wins)
{
    game g = begin();
    fst_env_batch batch = play(&g, wins[_i].moves);
    int moves = (int)strlen(wins[_i].moves);
    ck_assert_int_eq(batch.terminated[0], wins[_i].winner >= 0);
    ck_assert(batch.rewards[0] == (wins[_i].winner >= 0));
    if (wins[_i].winner >= 0) {
        ck_assert_int_eq((moves - 1) % 2, wins[_i].winner);
        ck_assert(batch.episode_returns[0] == (wins[_i].winner == 0 ? 1 : -1));
    }
    end(&g);
}
END_TEST

/* Every four on the board there is, the last disc at each of its places: 69 times 4. */
START_TEST(test_all_fours)
{
    static const int directions[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
    game g = begin();
    int fours = 0;
    for (int d = 0; d < 4; ++d)
        for (int row = 0; row < 6; ++row)
            for (int column = 0; column < 7; ++column)
                for (int last = 0; last < 4; ++last) {
                    int down = directions[d][0], right = directions[d][1];
                    int end_row = row + 3 * down, end_column = column + 3 * right;
                    if (end_row > 5 || end_column > 6 || end_column < 0)
                        continue;
                    double state[44] = {0, -1};
                    double *cells = state + 2;
                    for (int i = 0; i < 4; ++i)
                        if (i != last)
                            cells[(row + i * down) * 7 + column + i * right] = 1;
                    /* Below, chequers of two that hold no four. */
                    for (int c = 0; c < 7; ++c) {
                        int top = 6;
                        for (int i = 0; i < 4; ++i)
                            if (column + i * right == c)
                                top = row + i * down < top ? row + i * down : top;
                        for (int r = top; r < 6; ++r)
                            if (cells[r * 7 + c] == 0)
                                cells[r * 7 + c] = 2 - (r / 2 + c) % 2;
                    }
                    int at = (row + last * down) * 7 + column + last * right;
                    if (d == 1 && last != 0)
                        continue; /* a column is won from above only */
                    cells[at] = 0;
                    int32_t action = at % 7;
                    REQUIRE(fst_env_reset(g.env, 0));
                    REQUIRE(fst_env_set_state(g.env, 0, state, sizeof state));
                    REQUIRE(fst_env_step(g.env, &action));
                    ck_assert_msg(batch_of(g.env).terminated[0] && batch_of(g.env).rewards[0] == 1,
                                  "direction %d, row %d, column %d, last %d", d, row, column, last);
                    fours += last == 0;
                }
    ck_assert_int_eq(fours, 69);
    end(&g);
}
END_TEST

START_TEST(test_mask_and_draw)
{
    game g = begin();
    fst_env_batch batch = play(&g, "111111");
    ck_assert_int_eq(batch.masks[0], 0);
    for (int column = 1; column < 7; ++column)
        ck_assert_int_eq(batch.masks[column], 1);
    int32_t full = 0;
    ck_assert_int_eq(fst_env_step(g.env, &full), FST_ERR_INVALID_ARGUMENT);
    /* Columns filled in pairs so that no four comes about. */
    batch = play(&g, "222222" "333333" "5" "444444" "55555" "666666" "777777");
    ck_assert_int_eq(batch.terminated[0], 1);
    ck_assert(batch.rewards[0] == 0 && batch.episode_returns[0] == 0);
    ck_assert_int_eq(batch.episode_lengths[0], 42);
    const char *text;
    REQUIRE(fst_env_render(g.env, 0, FST_RENDER_TEXT, &text));
    ck_assert_ptr_nonnull(strstr(text, "a draw"));
    end(&g);
}
END_TEST

START_TEST(test_perspective)
{
    game g = begin();
    fst_env_batch batch = play(&g, "4");
    const float *planes = batch.observations;
    ck_assert_int_eq(batch.players[0], 1);
    ck_assert(planes[5 * 7 + 3] == 0 && planes[42 + 5 * 7 + 3] == 1); /* the other one's, for player 1 */
    batch = play(&g, "5");
    planes = batch.observations;
    ck_assert_int_eq(batch.players[0], 0);
    ck_assert(planes[5 * 7 + 3] == 1 && planes[42 + 5 * 7 + 4] == 1);
    float sum = 0;
    for (int i = 0; i < 84; ++i)
        sum += planes[i];
    ck_assert(sum == 2);
    end(&g);
}
END_TEST

/* It takes a win, else prevents one, and does not choose alike for all seeds on an open board. */
START_TEST(test_player)
{
    game g = begin();
    fst_env_batch batch = play(&g, "414243");
    ck_assert_int_eq(connect_four_player(batch.observations, 4, 1), 3);
    batch = play(&g, "1"); /* not taken: now player 1 must close column 4 … */
    ck_assert_int_eq(connect_four_player(batch.observations, 4, 1), 3);
    batch = play(&g, "4");
    int taken[7] = {0};
    REQUIRE(fst_env_reset(g.env, 0));
    batch = play(&g, "4455");
    for (uint64_t seed = 0; seed < 20; ++seed)
        ++taken[connect_four_player(batch.observations, 2, seed)];
    for (int depth = 1; depth <= 6; ++depth) {
        int column = connect_four_player(batch.observations, depth, 3);
        ck_assert(column >= 0 && column < 7);
        if (depth >= 3)
            ck_assert(column == 2 || column == 5); /* three in a row, open on both sides */
    }
    end(&g);
}
END_TEST

/* Looking ahead pays: depth 4 against depth 1, sides by turns. */
START_TEST(test_depth_wins)
{
    game g = begin();
    int won = 0, games = 12;
    for (int round = 0; round < games; ++round) {
        int deep = round % 2;
        REQUIRE(fst_env_reset(g.env, round));
        fst_env_batch batch = batch_of(g.env);
        for (uint64_t move = 0; !batch.terminated[0]; ++move, batch = batch_of(g.env)) {
            int mover = batch.players[0];
            uint64_t seed = 100 * (uint64_t)round + move;
            int32_t action = connect_four_player(batch.observations, mover == deep ? 4 : 1, seed);
            REQUIRE(fst_env_step(g.env, &action));
        }
        won += batch.episode_returns[0] == (deep == 0 ? 1 : -1);
    }
    ck_assert_int_ge(won, 9);
    end(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connect_four");
    TCase *tests = tcase_create("connect_four");
    tcase_add_loop_test(tests, test_wins, 0, sizeof wins / sizeof *wins);
    tcase_add_test(tests, test_all_fours);
    tcase_add_test(tests, test_mask_and_draw);
    tcase_add_test(tests, test_perspective);
    tcase_add_test(tests, test_player);
    tcase_add_test(tests, test_depth_wins);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
