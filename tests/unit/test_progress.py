"""Progress is kept, merged and never lost, and no trouble with its file stops an exercise."""

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from attncourse.exercises import UnknownName, check, hint, progress, progress_report, quiz, store
from attncourse.exercises.register import exercises_of, quiz_of
from attncourse.exercises.verdict import Status
from tests.conftest import PATIENCE

EXERCISES = len(exercises_of("channel/squeeze_excitation"))
QUESTIONS = len(quiz_of("channel/squeeze_excitation").questions)

SHARE = "squeeze_excitation.last_stage_share"
RIGHT, WRONG = 0.625, 0.25


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv(store.HOME, str(folder))
    monkeypatch.setattr(progress, "_FILE", store.ProgressFile())
    return folder


@pytest.fixture
def no_home(home, monkeypatch):
    """A folder that nobody can make, not even root: its parent is a file."""
    home.parent.joinpath("file").write_text("")
    monkeypatch.setenv(store.HOME, str(home.parent / "file" / "home"))
    return home


def entry(name=SHARE):
    return progress.load()["exercises"].get(name, {})


def stored(home):
    return json.loads((home / "progress.json").read_text("utf-8"))


# What is kept ------------------------------------------------------------------------------


def test_attempts_are_counted_and_solved_stays_solved(home):
    check(SHARE, WRONG)
    assert entry()["status"] == "not yet"
    check(SHARE, RIGHT)
    check(SHARE, WRONG)
    assert entry()["status"] == "correct"
    assert entry()["attempts"] == 3
    assert entry()["solved"] <= entry()["last"]


def test_untouched_and_unrecorded_exercises_leave_no_trace(home):
    check(SHARE)
    check(SHARE, RIGHT, record=False)
    assert not home.exists()
    assert progress.load() == store.empty()


def test_hints_and_quiz_answers_are_kept(home):
    hint(SHARE)
    hint(SHARE)
    hint(SHARE, 1)
    quiz("squeeze_excitation", 1, "a")
    quiz("squeeze_excitation", 1, "b")
    assert entry()["hints"] == 2
    answer = stored(home)["quizzes"]["squeeze_excitation.1"]
    assert (answer["status"], answer["attempts"], answer["answer"]) == ("correct", 2, "b")


def test_the_summary_counts_by_chapter(home):
    check(SHARE, RIGHT)
    quiz("squeeze_excitation", 1, "b")
    quiz("squeeze_excitation", 2, "a")
    quiz("squeeze_excitation", 2, "c")
    (chapter,) = [c for c in progress.summary() if c.chapter == "channel/squeeze_excitation"]
    assert (chapter.done, chapter.total, chapter.answered, chapter.questions) == (
        1,
        EXERCISES,
        2,
        QUESTIONS,
    )
    assert (chapter.first, chapter.answered_first) == (1, 1)


def test_the_first_try_is_kept_apart_from_later_ones(home):
    check(SHARE, WRONG)
    check(SHARE, RIGHT)
    assert (entry()["first"], entry()["status"]) == ("not yet", "correct")
    check(SHARE, WRONG)
    assert (entry()["first"], entry()["status"], entry()["attempts"]) == ("not yet", "correct", 3)
    quiz("squeeze_excitation", 1, "b")
    quiz("squeeze_excitation", 1, "a")
    assert stored(home)["quizzes"]["squeeze_excitation.1"]["first"] == "correct"


@pytest.mark.parametrize(
    ("old", "first"),
    [
        ({"status": "correct", "attempts": 1}, "correct"),
        ({"status": "correct", "attempts": 2}, None),
        ({"status": "not yet", "attempts": 3}, "not yet"),
        ({"status": "correct"}, None),
        ({"hints": 2}, None),
        ({"status": "correct", "attempts": 2, "first": "correct"}, "correct"),
    ],
)
def test_an_older_entry_tells_its_first_try_only_where_it_is_certain(home, old, first):
    assert store.first_of(old) == first
    home.mkdir()
    state = {"version": 1, "exercises": {SHARE: old}, "quizzes": {}}
    (home / "progress.json").write_text(json.dumps(state))
    check(SHARE, RIGHT)
    # Without an attempt on record this one is the first.
    assert entry().get("first") == (first if "attempts" in old else "correct")


def test_of_two_first_tries_the_failed_one_counts():
    one = {"version": 1, "exercises": {"a.b": {"status": "correct", "attempts": 1}}, "quizzes": {}}
    two = {"version": 1, "exercises": {"a.b": {"status": "not yet", "attempts": 2}}, "quizzes": {}}
    for merged in (store.merge(one, two), store.merge(two, one)):
        kept = {"status": "correct", "attempts": 2, "first": "not yet"}
        assert merged["exercises"]["a.b"] == kept


def test_the_report_shows_every_exercise_and_where_it_is_kept(home):
    check(SHARE, WRONG)
    check(SHARE, RIGHT)
    hint(SHARE)
    report = progress_report()
    wanted = f"1 of {EXERCISES} exercises (0 at the first try), 0 of {QUESTIONS} quiz questions"
    assert f"channel/squeeze_excitation: {wanted}" in report
    assert f"[x] {SHARE}  level 2  correct at a later try, 2 tries, 1 hint\n" in report
    assert "[ ] squeeze_excitation.excite            level 1  not attempted\n" in report
    assert report.endswith(f"Kept in {home / 'progress.json'}")


def test_without_the_variable_it_lies_in_the_users_data_folder(home, monkeypatch):
    monkeypatch.delenv(store.HOME)
    monkeypatch.setattr(store, "user_data_path", lambda name: home / name)
    check(SHARE, RIGHT)
    assert (home / "attncourse" / "progress.json").exists()


def test_what_another_version_wrote_is_carried_along(home):
    home.mkdir()
    extra = {"version": 1, "exercises": {"later.one": {"stars": 3}}, "quizzes": {}, "theme": "x"}
    (home / "progress.json").write_text(json.dumps(extra))
    check(SHARE, RIGHT)
    assert stored(home)["exercises"]["later.one"] == {"stars": 3}
    assert stored(home)["theme"] == "x"


# Many writers ------------------------------------------------------------------------------


def test_threads_lose_nothing(home):
    def write():
        for _ in range(10):
            progress.record(SHARE, Status.NOT_YET)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(home)["exercises"][SHARE]["attempts"] == 40


def test_processes_lose_nothing(home):
    # The file's module needs nothing of the package, so that it loads in no time.
    program = (
        "import importlib.util as u, sys\n"
        f"spec = u.spec_from_file_location('store', {store.__file__!r})\n"
        "store = u.module_from_spec(spec); spec.loader.exec_module(store)\n"
        "def change(state):\n"
        "    entry = state['exercises'].setdefault('a.b', {})\n"
        "    entry['attempts'] = entry.get('attempts', 0) + 1\n"
        "    state['exercises'].setdefault('a.' + sys.argv[1], {})['attempts'] = 1\n"
        "for _ in range(20): assert store.ProgressFile().change(change) == ''\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, f"p{number}"]) for number in range(3)
    ]
    assert [process.wait(timeout=PATIENCE) for process in running] == [0, 0, 0]
    exercises = stored(home)["exercises"]
    assert exercises["a.b"]["attempts"] == 60
    assert {"a.p0", "a.p1", "a.p2"} <= exercises.keys()
    assert [p.name for p in home.iterdir() if p.suffix not in (".json", ".lock")] == []


def test_a_lock_held_by_another_program_is_not_waited_for_without_end(home, monkeypatch):
    check(SHARE, WRONG)
    monkeypatch.setattr(store, "_PATIENCE_S", 0.03)
    with store.locked(home / "progress.lock"):
        result = check(SHARE, RIGHT)
    assert result.status == "correct"
    assert "is held by another program" in result.note
    assert stored(home)["exercises"][SHARE]["status"] == "not yet"
    assert entry()["status"] == "correct"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_a_file_system_without_locks_is_written_all_the_same(home, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(store.fcntl, "flock", refuse)
    assert check(SHARE, RIGHT).note == ""
    assert stored(home)["exercises"][SHARE]["status"] == "correct"


# Broken files -------------------------------------------------------------------------------

BROKEN = {
    "empty": b"",
    "torn": b'{"version": 1, "exercises": {"a',
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
    "no version": b'{"exercises": {}, "quizzes": {}}',
    "no table": b'{"version": 1, "exercises": [], "quizzes": {}}',
    "no entry": b'{"version": 1, "exercises": {"a": 3}, "quizzes": {}}',
    "no count": b'{"version": 1, "exercises": {"a": {"attempts": "x"}}, "quizzes": {}}',
    "no status": b'{"version": 1, "exercises": {"a": {"status": []}}, "quizzes": {}}',
    "endless": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_set_aside_whole_with_a_word(home, content):
    home.mkdir()
    (home / "progress.json").write_bytes(content)
    result = check(SHARE, RIGHT)
    assert result.status == "correct"
    (kept,) = home.glob("progress.broken-*.json")
    assert kept.read_bytes() == content
    assert str(kept) in result.note
    assert result.note in " ".join(repr(result).split())
    assert stored(home)["exercises"][SHARE]["status"] == "correct"
    assert check(SHARE, RIGHT).note == ""


def test_two_broken_files_are_both_kept(home):
    home.mkdir()
    for content in (b"one", b"two"):
        (home / "progress.json").write_bytes(content)
        with pytest.warns(UserWarning, match="It was kept as"):
            assert progress.load() == store.empty()
    assert {path.read_bytes() for path in home.glob("*broken*")} == {b"one", b"two"}


def test_the_report_says_that_a_file_was_set_aside(home):
    home.mkdir()
    (home / "progress.json").write_bytes(b"?")
    assert progress_report().startswith("The progress file could not be read")


def test_a_file_of_a_newer_version_is_left_as_it_is(home):
    home.mkdir()
    newer = json.dumps({"version": 99, "exercises": {}, "quizzes": {}})
    (home / "progress.json").write_text(newer)
    result = check(SHARE, RIGHT)
    assert result.status == "correct"
    assert "newer version" in result.note
    assert (home / "progress.json").read_text() == newer


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(home, monkeypatch):
    check(SHARE, WRONG)
    before = stored(home)

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "replace", fail)
        assert "No space left on device" in check(SHARE, RIGHT).note
    assert stored(home) == before
    assert sorted(path.name for path in home.iterdir()) == ["progress.json", "progress.lock"]


# No place to keep it --------------------------------------------------------------------------


def test_without_a_place_exercises_go_on_and_it_is_said_once(no_home):
    first, second = check(SHARE, WRONG), check(SHARE, RIGHT)
    assert first.misconception == "one of four stages"
    assert first.note.startswith("Your progress is not kept: Not a directory. ")
    assert f"environment variable {store.HOME}" in first.note
    assert second.status == "correct"
    assert second.note == ""
    assert entry()["attempts"] == 2
    assert [hint(SHARE).headline for _ in range(2)] == ["Hint 1 of 3", "Hint 2 of 3"]
    assert "Not kept: " in progress_report()
    assert f"1 of {EXERCISES} exercises" in progress_report()


def test_what_was_held_in_memory_is_written_once_there_is_a_place(no_home, monkeypatch):
    check(SHARE, RIGHT)
    monkeypatch.setenv(store.HOME, str(no_home))
    assert entry()["status"] == "correct"
    hint("squeeze_excitation.excite")
    assert stored(no_home)["exercises"][SHARE]["status"] == "correct"
    assert progress._FILE.memory == store.empty()


@pytest.mark.parametrize("named", ["~nobody-of-that-name/x", ""])
def test_a_machine_without_a_home_folder_is_no_obstacle(home, monkeypatch, named):
    monkeypatch.setenv(store.HOME, named)
    monkeypatch.setattr(store, "user_data_path", lambda name: Path("~") / name)
    assert "no home folder" in check(SHARE, RIGHT).note.lower()
    assert "Not kept: no home folder" in progress_report()
    assert not Path("~").exists()


def test_a_file_that_cannot_be_read_is_no_obstacle(home):
    (home / "progress.json").mkdir(parents=True)  # not even root can read a folder as a file
    with pytest.warns(UserWarning, match="Your progress is not kept"):
        assert progress.load() == store.empty()
    assert check(SHARE, RIGHT).status == "correct"


# Reset, export, restore --------------------------------------------------------------------------


def test_reset_keeps_a_backup(home):
    assert progress.reset() is None
    check(SHARE, RIGHT)
    before = stored(home)
    backup = progress.reset()
    assert json.loads(backup.read_text("utf-8")) == before
    assert progress.load() == store.empty()
    assert progress.reset() != backup


def test_reset_of_one_chapter_leaves_the_others(home):
    check(SHARE, RIGHT)
    quiz("squeeze_excitation", 1, "b")
    progress.record("elsewhere.one", Status.CORRECT)
    progress.reset("channel/squeeze_excitation")
    assert list(progress.load()["exercises"]) == ["elsewhere.one"]
    assert progress.load()["quizzes"] == {}
    with pytest.raises(UnknownName):
        progress.reset("no_such_chapter")


def test_an_export_can_be_restored_elsewhere_and_the_better_counts(home, tmp_path, monkeypatch):
    check(SHARE, RIGHT)
    hint(SHARE, 2)
    exported = progress.export(tmp_path)
    assert exported == tmp_path / "attncourse-progress.json"
    with pytest.raises(FileExistsError, match="exists already"):
        progress.export(exported)
    monkeypatch.setenv(store.HOME, str(tmp_path / "elsewhere"))
    for _ in range(3):
        check(SHARE, WRONG)
    check("squeeze_excitation.squeeze_for_row", {"mean": "std"})
    assert progress.restore(exported) == ""
    assert entry()["status"] == "correct"
    assert (entry()["attempts"], entry()["hints"]) == (3, 2)
    assert entry("squeeze_excitation.squeeze_for_row")["attempts"] == 1


def test_only_a_progress_file_can_be_restored(home, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(ValueError, match=r"other\.json is not a progress file: it has no version"):
        progress.restore(other)
