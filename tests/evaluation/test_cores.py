"""Work on all cores."""

from __future__ import annotations

import threading

import pytest
import threadpoolctl

from simplug.evaluation.cores import cores, in_parallel

needs_cores = pytest.mark.skipif(cores() < 2, reason="this process may use one core only")


def blas_threads():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


def test_results_are_in_the_order_of_the_tasks():
    assert in_parallel(lambda task: task * task, range(50)) == [task * task for task in range(50)]
    assert in_parallel(str, []) == []


@needs_cores
def test_several_threads_work_and_each_multiplies_on_one_core():
    before = blas_threads()
    meeting = threading.Barrier(2, timeout=30)

    def work(task):
        meeting.wait()
        return threading.get_ident(), blas_threads()

    done = in_parallel(work, range(2))
    assert len({thread for thread, _ in done}) == 2
    assert all(count == 1 for _, counts in done for count in counts)
    assert blas_threads() == before


@needs_cores
def test_the_first_error_ends_it_and_the_matrix_library_is_as_before():
    before, begun = blas_threads(), []

    def work(task):
        begun.append(task)
        raise RuntimeError(f"task {task} fails")

    with pytest.raises(RuntimeError, match="task 0 fails"):
        in_parallel(work, range(10_000))
    assert len(begun) < 10_000
    assert blas_threads() == before


@needs_cores
def test_two_at_once_leave_the_matrix_library_as_it_was():
    before = blas_threads()
    inside, leave = threading.Barrier(3, timeout=30), threading.Event()

    def wait(task):
        inside.wait()
        leave.wait(30)

    first = threading.Thread(target=in_parallel, args=(wait, range(2)))
    first.start()
    inside.wait()
    in_parallel(str, range(2))
    # The second is done and the first is not.
    assert all(count == 1 for count in blas_threads())
    leave.set()
    first.join()
    assert blas_threads() == before
