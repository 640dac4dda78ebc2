from diffsfsr.training import progress
from diffsfsr.training.progress import Meter, clock, shown


def test_a_log_gets_a_line_every_ten_seconds(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Meter("photos read", 12) as meter:
        for _ in range(12):
            now[0] += 4
            meter.advance(note="all kept")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "photos read: 3 of 12, 0:12, 0:36 left, all kept" and len(lines) == 4


def test_what_was_done_before_makes_nothing_look_faster(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    meter = Meter("photos read", 1000)
    for done in (901, 902, 903):
        now[0] += 10
        meter.at(done)
    assert capsys.readouterr().err.splitlines()[-1].endswith("16:10 left")


def test_items_are_passed_on():
    assert list(shown(iter("abc"), "letters")) == list("abc")
    assert clock(59.6) == "1:00" and clock(3725) == "1:02:05"
