"""The compiled ConvNet computes what the plain one does, for every shape, each replica for itself."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn.functional import max_pool2d, relu

from thermograd.errors import InputError
from thermograd.nets import ConvNet, batch_norm, set_norm
from thermograd.nets.compiled import compiled_features
from thermograd.nets.compiled.plan import Sizes, make_plan, take_memory
from thermograd.nets.weights import trainable

torch.set_num_threads(1)

EPS = torch.finfo(torch.float32).eps

# Round-off through four layers, whose condition numbers are about 1e2 (see test_nets_networks), in float32.
# Round-off can also flip the winner of a pooling window or the sign before a ReLU: then the gradient jumps.
# Values differ from float64's by some 3e-7 of their spread, so 0.06 flips are expected among 1e5 of them; the
# cases have no more than 5e5, and fixed seeds.
TOLERANCE = 100 * EPS

CASES = [
    # width, channels, side, batch
    (1, 1, 8, 128),
    (2, 1, 8, 128),
    (4, 1, 8, 128),
    (8, 3, 8, 16),
    (1, 3, 8, 2),
    (3, 1, 8, 100),
    (2, 3, 8, 130),
    (3, 3, 16, 16),
    (4, 1, 16, 100),
    (8, 1, 16, 2),
    (1, 1, 32, 130),
    (2, 3, 32, 16),
    (3, 1, 32, 2),
    (8, 3, 32, 2),
    (2, 2, 24, 10),  # widths 24, 12 and 6: neither powers of two nor multiples of 4
    (3, 1, 40, 5),
]


def plain_features(images, weights):
    """The same network from plain operations: images (batch, channels, height, width)."""
    x = images
    for layer, weight in enumerate(weights):
        x = relu(batch_norm(torch.nn.functional.conv2d(x, weight, padding=1)))
        if layer > 0:
            x = max_pool2d(x, 2)
    return x.amax((2, 3))


def replicas(width, channels, side, batch, count=1, seed=0):
    """Images (R, B, C, H, W), weights of each layer (R, ...), and what features are multiplied with."""
    g = torch.Generator().manual_seed(seed)
    images = torch.randn(count, batch, channels, side, side, generator=g)
    nets = [ConvNet(width, channels, generator=g) for _ in range(count)]
    weights = [torch.stack([trainable(net)[i].detach() for net in nets]) for i in range(4)]
    return images, weights, torch.randn(count, batch, 8 * width, generator=g)


def innermost(images):
    return images.permute(0, 2, 3, 4, 1).contiguous()


def compiled(images, weights, factor):
    """Features and the gradients of their product with ``factor``."""
    weights = [w.clone().requires_grad_() for w in weights]
    features = compiled_features(innermost(images), weights)
    gradients = torch.autograd.grad(features, weights, factor)
    return features.detach(), gradients


def plain(images, weights, factor, dtype=torch.float64):
    weights = [w.to(dtype).requires_grad_() for w in weights]
    rows = [plain_features(image, [w[r] for w in weights]) for r, image in enumerate(images.to(dtype))]
    features = torch.stack(rows)
    return features.detach(), torch.autograd.grad(features, weights, factor.to(dtype))


def distance(a, b):
    a, b = a.double(), b.double()
    return float(torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b))


def worst(one, other):
    """The largest relative difference of features and of each layer's gradient."""
    pairs = [(one[0], other[0]), *zip(one[1], other[1], strict=True)]
    return max(distance(a, b) for a, b in pairs)


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip([one[0], *one[1]], [other[0], *other[1]], strict=True))


def take(result, r):
    return result[0][r], [g[r] for g in result[1]]


@pytest.mark.parametrize(("width", "channels", "side", "batch"), CASES)
def test_it_computes_what_plain_operations_compute(width, channels, side, batch):
    problem = replicas(width, channels, side, batch)
    result = compiled(*problem)
    assert worst(result, plain(*problem)) < TOLERANCE
    assert result[0].dtype == torch.float32
    assert result[0].shape == (1, batch, 8 * width)


def test_it_is_as_close_to_plain_float32():
    problem = replicas(2, 1, 8, 128)
    assert worst(compiled(*problem), plain(*problem, dtype=torch.float32)) < TOLERANCE


@pytest.mark.parametrize("layer", range(4))
def test_a_flipped_kernel_is_noticed(layer):
    # negative control: correlation is not convolution, and three mirrored taps are far beyond the tolerance
    problem = images, weights, factor = replicas(2, 1, 8, 128)
    flipped = [w.flip(-1) if i == layer else w for i, w in enumerate(weights)]
    assert worst(compiled(images, flipped, factor), plain(*problem)) > 1e3 * TOLERANCE


def test_the_module_itself_agrees():
    net = ConvNet(3, 2, kernel="plain")
    images = torch.randn(40, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    features = compiled_features(innermost(images[None]), [p.detach()[None] for p in net.convs.parameters()])
    torch.testing.assert_close(net.head(features[0]), net(images), rtol=0, atol=10 * TOLERANCE)


def test_oblong_images_with_ties():
    # a flat background: many windows whose largest value several positions share
    g = torch.Generator().manual_seed(1)
    images = torch.zeros(1, 24, 1, 8, 16)
    images[..., 2:5, 3:9] = torch.randn(1, 24, 1, 3, 6, generator=g).round()
    _, weights, factor = replicas(2, 1, 8, 24)
    assert worst(compiled(images, weights, factor), plain(images, weights, factor)) < TOLERANCE


def test_a_large_mean_is_taken_out_accurately():
    # The channels' means are 1e3 times their spread, so that round-off of the convolution itself is amplified
    # as much; sums of squares without the mean would be wrong in every digit, and so would the gradient.
    images, weights, factor = replicas(1, 1, 8, 64)
    weights[0][:] = 0.0
    weights[0][..., 1, 1] = 1.0
    images = images + 1e3
    assert worst(compiled(images, weights, factor), plain(images, weights, factor)) < 1e3 * TOLERANCE


@pytest.mark.parametrize("power", [-20, 20])
def test_scaling_by_a_power_of_two_changes_no_bit(power):
    images, weights, factor = replicas(2, 3, 16, 20)
    features, gradients = compiled(images, weights, factor)
    scaled, smaller = compiled(images, [w * 2.0**power for w in weights], factor)
    assert torch.equal(features, scaled)
    for g, h in zip(gradients, smaller, strict=True):
        assert torch.equal(g, h * 2.0**power)


@pytest.mark.parametrize("radius", [1e-3, 1.0, 1e3])
def test_the_gradient_is_orthogonal_to_the_weights(radius):
    # P2; the bound is the one of test_nets_networks
    net = ConvNet(2, 1)
    set_norm(net, radius)
    images, _, factor = replicas(2, 1, 8, 128)
    weights = [p.detach()[None] for p in trainable(net)]
    _, gradients = compiled(images, weights, factor)
    for w, g in zip(weights, gradients, strict=True):  # each layer is scale-invariant by itself
        w, g = w.double().flatten(), g.double().flatten()
        assert abs(torch.dot(w, g)) < 16 * EPS * torch.linalg.vector_norm(w) * torch.linalg.vector_norm(g)


def test_constant_channels_are_zero_and_have_no_gradient():
    images, weights, factor = replicas(2, 1, 8, 32)
    weights[0][0, 0] = 0.0
    features, gradients = compiled(images, weights, factor)
    assert worst((features, gradients), plain(images, weights, factor)) < TOLERANCE
    assert not gradients[0][0, 0].any()
    assert gradients[0][0, 1].any()
    # constant but not zero: the same image over and over under a kernel that sees only one position
    centre = torch.zeros_like(weights[0])
    centre[..., 1, 1] = 0.7
    features, gradients = compiled(torch.full_like(images, 0.1), [centre, *weights[1:]], factor)
    assert not features.any()
    assert not any(bool(g.any()) for g in gradients)


@pytest.mark.parametrize(("units", "alive"), [(16, False), (64, True)])
def test_the_threshold_of_a_constant_channel(units, alive):
    # Pixels are 1 or 1 + units * eps, half of each: the spread is units / 2 of round-off, the threshold 16.
    g = torch.Generator().manual_seed(0)
    images = 1 + units * EPS * torch.randint(2, (1, 64, 1, 8, 8), generator=g)
    _, weights, factor = replicas(1, 1, 8, 64)
    weights[0][:] = 0.0
    weights[0][..., 1, 1] = 1.0
    features, gradients = compiled(images, weights, factor)
    assert bool(features.any()) == alive
    assert all(bool(g.any()) == alive for g in gradients)
    if alive:  # neighbours of 1 are exact numbers, so that float64 sees the same images
        assert distance(features, plain(images, weights, factor)[0]) < TOLERANCE


@pytest.mark.parametrize(("width", "side", "batch"), [(2, 8, 32), (1, 16, 19)])
def test_no_bit_depends_on_companions_number_or_place(width, side, batch):
    problem = replicas(width, 1, side, batch, count=4)
    together = compiled(*problem)
    for r in range(4):
        assert equal(take(together, r), take(compiled(*(_rows(part, [r]) for part in problem)), 0))
    order = [2, 0, 3, 1]
    permuted = compiled(*(_rows(part, order) for part in problem))
    for place, r in enumerate(order):
        assert equal(take(together, r), take(permuted, place))
    assert equal(together, compiled(*problem))


def _rows(part, rows):
    return [p[rows] for p in part] if isinstance(part, list) else part[rows]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_replica_stays_alone(bad):
    images, weights, factor = replicas(2, 1, 8, 19, count=3)
    good = compiled(images, weights, factor)
    broken = [w.clone() for w in weights]
    broken[1][1, 0, 0, 1, 1] = bad
    result = compiled(images, broken, factor)
    for r in (0, 2):
        assert equal(take(good, r), take(result, r))
    # and is seen to have diverged, as with the plain operations
    assert not torch.isfinite(result[0][1]).all()
    assert all(not torch.isfinite(g[1]).all() for g in result[1])


def test_two_forwards_before_one_backward():
    one, two = replicas(2, 1, 8, 32, seed=0), replicas(2, 1, 8, 32, seed=1)
    alone = compiled(*one), compiled(*two)
    weights = [[w.clone().requires_grad_() for w in problem[1]] for problem in (one, two)]
    a = compiled_features(innermost(one[0]), weights[0])
    b = compiled_features(innermost(two[0]), weights[1])
    for features, problem, w, expected in ((b, two, weights[1], alone[1]), (a, one, weights[0], alone[0])):
        gradients = torch.autograd.grad(features, w, problem[2], retain_graph=True)
        again = torch.autograd.grad(features, w, problem[2])
        assert equal((features.detach(), gradients), expected)
        assert equal((features.detach(), again), expected)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(a, weights[0], one[2])


def test_without_a_gradient_the_same_features_and_little_memory():
    images, weights, factor = replicas(2, 1, 8, 32, count=3)
    expected = compiled(images, weights, factor)[0]
    assert torch.equal(compiled_features(innermost(images), weights), expected)
    with torch.no_grad():
        trained = [w.clone().requires_grad_() for w in weights]
        assert torch.equal(compiled_features(innermost(images), trained), expected)


def test_some_layers_may_be_frozen():
    images, weights, factor = replicas(1, 1, 8, 16)
    _, gradients = compiled(images, weights, factor)
    last = weights[3].clone().requires_grad_()
    features = compiled_features(innermost(images), [*weights[:3], last])
    (gradient,) = torch.autograd.grad(features, [last], factor)
    assert torch.equal(gradient, gradients[3])


def test_threads_do_not_meet():
    problems = [replicas(2, 1, 16, 64, seed=seed) for seed in range(4)]
    alone = [compiled(*problem) for problem in problems]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for result, expected in zip(pool.map(lambda p: compiled(*p), problems), alone, strict=True):
                assert equal(result, expected)


def test_memory_is_used_again_but_never_twice_at_once():
    plan = make_plan(Sizes((1, 1, 2, 4, 8), 8, 8, 48))
    first, second = take_memory(plan, 2), take_memory(plan, 2)
    assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0
    places = {first.ctypes.data, second.ctypes.data}
    assert len(places) == 2
    del first, second
    assert take_memory(plan, 1).ctypes.data in places


def test_a_step_takes_no_fresh_memory():
    images, weights, factor = replicas(2, 1, 8, 64, count=2)
    for _ in range(3):
        compiled(images, weights, factor)
    free = make_plan(Sizes((1, 2, 4, 8, 16), 8, 8, 64)).free
    places = [memory.ctypes.data for memory in free]
    assert len(places) == 1
    compiled(images, weights, factor)
    assert [memory.ctypes.data for memory in free] == places


def test_importing_it_does_not_import_numba():
    code = "import sys; import thermograd.nets.compiled; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_on_a_machine_with_few_registers():
    # compiled for the plainest processor of this kind: other tiles, the same network
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    here = f"{__file__}::test_it_computes_what_plain_operations_compute"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", here]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


IMAGES = torch.zeros(2, 1, 8, 8, 4)
WEIGHTS = [torch.ones(2, 2**i, 2 ** max(i - 1, 0), 3, 3) for i in range(4)]


@pytest.mark.parametrize(
    ("images", "weights", "message"),
    [
        (IMAGES.double(), WEIGHTS, "images is float64; expected float32"),
        (IMAGES, [*WEIGHTS[:3], WEIGHTS[3].double()], r"weights\[3\] is float64; expected float32"),
        (IMAGES.to("meta"), WEIGHTS, "images is on meta; expected a tensor on the CPU"),
        (IMAGES.clone().requires_grad_(), WEIGHTS, "images requires a gradient"),
        (IMAGES[0], WEIGHTS, r"images has shape \(1, 8, 8, 4\); expected five dimensions"),
        (IMAGES.mT, WEIGHTS, r"images has strides"),
        (torch.zeros(2, 1, 12, 8, 4), WEIGHTS, "multiples of 8"),
        (IMAGES[..., :1].contiguous(), WEIGHTS, "two examples or more"),
        (IMAGES, WEIGHTS[:3], "there are 3 weights; expected 4"),
        (IMAGES, [*WEIGHTS[:3], WEIGHTS[2]], r"weights\[3\] has shape .* expected \(2, channels, 4, 3, 3\)"),
        (IMAGES[:1], WEIGHTS, r"weights\[0\] has shape .* expected \(1, channels, 1, 3, 3\)"),
    ],
)
def test_wrong_input_is_named(images, weights, message):
    with pytest.raises(InputError, match=message):
        compiled_features(images, weights)
