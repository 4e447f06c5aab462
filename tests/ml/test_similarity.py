import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scv.data.resident import Resident
from scv.ml import similarity
from scv.ml.hooks import layers_of, watching
from scv.ml.similarity import layer_vectors, vector_of
from tests.ml.reported import learned, unlearned
from tests.ml.test_hooks import NESTED

Matrix = NDArray[np.float64]


def unbiased_hsic(first: Matrix, second: Matrix) -> float:
    """Song et al. 2012, equation 5, word for word, of two Gram matrices (n, n)."""
    n = len(first)
    k, l = first - np.diag(np.diag(first)), second - np.diag(np.diag(second))  # noqa: E741 - the names of the paper
    one = np.ones(n)
    return float(
        (np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one))
        / (n * (n - 3))
    )


def direct_cka(first: Matrix, second: Matrix) -> float:
    """Of activations, (n, features)."""
    k, l = first @ first.T, second @ second.T  # noqa: E741
    return unbiased_hsic(k, l) / float(np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l)))


def cka(first: Matrix, second: Matrix) -> float:
    vectors = [vector_of(x @ x.T) for x in (first, second)]
    assert vectors[0] is not None
    assert vectors[1] is not None
    return float(vectors[0] @ vectors[1])


def test_the_inner_product_is_the_debiased_cka() -> None:
    random = np.random.default_rng(0)
    common = random.normal(size=(60, 5))
    for features in (3, 40, 500):
        first = np.hstack([common, random.normal(size=(60, features))]) + 3
        second = common @ random.normal(size=(5, features)) + random.normal(size=(60, features))
        assert cka(first, second) == pytest.approx(direct_cka(first, second), abs=1e-5)
        assert cka(first, first) == pytest.approx(1, abs=1e-6)


def test_independent_noise_has_nothing_in_common_however_many_features() -> None:
    """Where the biased estimator says 0.89 (64 images, 512 features)."""
    random = np.random.default_rng(1)
    found = [cka(random.normal(size=(64, 512)), random.normal(size=(64, 512))) for _ in range(20)]
    assert abs(np.mean(found)) < 0.01
    assert max(map(abs, found)) < 0.1


def test_turning_scaling_and_shifting_change_nothing() -> None:
    random = np.random.default_rng(2)
    first = random.normal(size=(50, 20))
    turned, _ = np.linalg.qr(random.normal(size=(20, 20)))
    assert cka(first, 1e-12 * first @ turned) == pytest.approx(1, abs=1e-5)
    assert cka(first, first + 1000) == pytest.approx(1, abs=1e-5)


def test_a_layer_that_is_the_same_for_all_images_has_no_vector() -> None:
    assert vector_of(np.zeros((10, 10))) is None
    constant = np.tile(np.random.default_rng(3).normal(size=7), (10, 1))
    assert vector_of(constant @ constant.T) is None


def test_each_layer_of_a_network_is_compared_by_all_that_it_gives(
    digits: Resident, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trained = learned(NESTED, digits, tmp_path_factory.mktemp("run"), epochs=1)
    given: dict[int, Matrix] = {}
    layers = layers_of(trained)
    with torch.no_grad(), watching(layers, lambda n, output: given.update({n: output.flatten(1).double().numpy()})):
        trained.logits(torch.from_numpy(digits.probe_images))

    pairs = layer_vectors(trained, digits.probe_images)

    assert len(pairs) == len(layers)
    for one, (layer, vector) in enumerate(pairs):
        assert vector is not None, layer.path
        assert vector.shape == (4950,)
        assert vector.dtype == np.float32
        for other in range(one):
            known = pairs[other][1]
            assert known is not None
            assert float(vector @ known) == pytest.approx(direct_cka(given[one], given[other]), abs=1e-4)


def test_layers_too_large_for_all_images_at_once_give_the_same(
    digits: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = unlearned(NESTED, digits)
    whole = layer_vectors(trained, digits.probe_images)
    monkeypatch.setattr(similarity, "_NUMBERS", 20_000)
    monkeypatch.setattr(similarity, "_FEATURES", 50)
    heard: list[float] = []

    pieces = layer_vectors(trained, digits.probe_images, heard.append)

    assert len(heard) > 10
    for (_, one), (_, other) in zip(whole, pieces, strict=True):
        assert one is not None
        assert other is not None
        assert np.abs(one - other).max() < 1e-5


def test_fewer_images_than_the_estimator_needs_are_refused(digits: Resident) -> None:
    with pytest.raises(ValueError, match="3 images"):
        layer_vectors(unlearned(NESTED, digits), digits.probe_images[:3])
    assert all(
        len(vector) == 6
        for _, vector in layer_vectors(unlearned(NESTED, digits), digits.probe_images[:4])
        if vector is not None
    )
