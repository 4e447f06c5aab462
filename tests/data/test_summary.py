from scv.data.summary import REASONS, Names, Summary, told


def test_each_reason_is_one_sentence_with_the_first_names_in_a_fixed_order() -> None:
    summary = Summary(class_names=["a", "b"], train=[4, 5], test=[1, 1], refused={}, repeated=Names())
    for reason in reversed(REASONS):
        for number in range(7 if reason == "small" else 1):
            summary.refuse(reason, f"a/{number}.png")
    summary.repeated.add("test/a/1\n.png")
    sentences = [str(message) for message in told(summary)]

    assert sentences[0] == "9 pictures to learn from and 2 to test."
    for sentence, (reason, text) in zip(sentences[1:-1], REASONS.items(), strict=True):
        first = "a/0.png, a/1.png, a/2.png, a/3.png, a/4.png, …" if reason == "small" else "a/0.png"
        assert sentence == f"Left out, {text}: {7 if reason == 'small' else 1} ({first})."
    assert sentences[-1].endswith("easier than it looks: 1 (test/a/1\ufffd.png).")


def test_no_two_summaries_share_their_lists() -> None:
    Names().add("a/1.png")

    assert Names().first == []
