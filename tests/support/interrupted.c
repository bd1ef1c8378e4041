#include "interrupted.h"

#include "small_run.h"

#include <check.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

void interrupt_everywhere(const small_maker *maker, void *test, int count)
{
    char *folder = small_folder();
    fst_run *run = maker->create(test);
    OK(fst_run_until(run, 0));
    OK(fst_run_save(run, small_path(folder, "straight")));
    maker->destroy(test);
    for (int i = 0; i <= count; ++i) {
        run = maker->create(test);
        for (int j = 0; j < i; ++j)
            OK(fst_run_advance(run, NULL));
        OK(fst_run_save(run, small_path(folder, "between")));
        maker->destroy(test);

        run = maker->create(test);
        OK(fst_run_resume(run, small_path(folder, "between")));
        if (maker->resumed)
            maker->resumed(test);
        OK(fst_run_save(run, small_path(folder, "again")));
        ck_assert_msg(small_same_file(small_path(folder, "between"), small_path(folder, "again")),
                      "what was resumed after %d micro-batches is not what was saved", i);
        OK(fst_run_until(run, 0));
        OK(fst_run_save(run, small_path(folder, "resumed")));
        maker->destroy(test);
        ck_assert_msg(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")),
                      "a run resumed after %d micro-batches ends with other bytes", i);
    }
    small_folder_remove(folder);
}
