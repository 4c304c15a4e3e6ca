"""The papers' networks: what they compute, how many weights they have, that scaling the weights is free."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from thermograd.errors import InputError
from thermograd.nets import (
    ARCHITECTURES,
    ConvNet,
    ResNet18,
    batch_norm,
    build,
    dimension,
    set_norm,
    weight_count,
    weight_norm,
)
from thermograd.nets.weights import trainable

torch.set_num_threads(1)

# every way in which a network of this package is computed: (name, builder), 3 channels
NETWORKS = {
    "ConvNet(1) banded": lambda: ConvNet(1, kernel="banded"),
    "ConvNet(2) plain": lambda: ConvNet(2, kernel="plain"),
    "ConvNet(8)": lambda: ConvNet(8),
    "ResNet18(2)": lambda: ResNet18(2),
    "ConvNet(4) 16x16": lambda: ConvNet(4, kernel="plain"),  # channels last
    "ResNet18(1) 16x16": lambda: ResNet18(1),
}


def images(name, *, dtype=torch.float32):
    return batch(side=16 if name.endswith("16x16") else 8, dtype=dtype)


def batch(size=32, channels=3, side=8, dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(size, channels, side, side, generator=g, dtype=torch.float64).to(dtype)
    return x, torch.randint(10, (size,), generator=g)


def loss_and_gradient(net, x, y):
    loss = cross_entropy(net(x), y)
    return loss.detach(), torch.autograd.grad(loss, trainable(net))


def flat(tensors):
    return torch.cat([t.detach().double().reshape(-1) for t in tensors])


@pytest.mark.parametrize(
    ("architecture", "width", "channels", "count"),
    [
        ("ConvNet", 8, 3, 24_408),
        ("ConvNet", 16, 3, 97_200),
        ("ConvNet", 1, 1, 387),
        ("ConvNet", 2, 1, 1_530),
        ("ConvNet", 4, 1, 6_084),
        ("ResNet18", 4, 3, 43_692),
        ("ResNet18", 32, 3, 2_790_240),
    ],
)
def test_number_of_weights_is_the_papers(architecture, width, channels, count):
    assert weight_count(architecture, width, channels) == count
    assert dimension(build(architecture, width, channels)) == count


def reference_convnet(net):
    """The same network from torch's own modules, as one writes it."""
    layers = []
    for i, conv in enumerate(net.convs):
        layers += [conv, nn.BatchNorm2d(conv.out_channels, eps=1e-30, affine=False), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if i > 0 else []
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), net.head)


def reference_resnet(net, x):
    def norm(x):
        return nn.BatchNorm2d(x.shape[1], eps=1e-30, affine=False, dtype=x.dtype)(x)

    x = net.stem(x)
    for i, block in enumerate(net.blocks):
        shortcut = block.shortcut(norm(x)) if i in (2, 4, 6) else x
        x = block.conv2(norm(block.conv1(norm(x).relu())).relu()) + shortcut
    return net.head(nn.AdaptiveAvgPool2d(1)(norm(x).relu()).flatten(1))


@pytest.mark.parametrize("kernel", ["plain", "banded"])
@pytest.mark.parametrize(("width", "channels", "side"), [(1, 1, 8), (2, 3, 16), (3, 2, 32)])
def test_convnet_computes_what_the_plain_modules_compute(kernel, width, channels, side):
    net = ConvNet(width, channels, kernel=kernel).double()
    x, y = batch(16, channels, side, torch.float64)
    loss, gradient = loss_and_gradient(net, x, y)
    expected = cross_entropy(reference_convnet(net).double()(x), y)
    theirs = torch.autograd.grad(expected, trainable(net))
    # float64 round-off through 4 layers; condition numbers are about 1e2
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
    assert torch.linalg.vector_norm(flat(gradient) - flat(theirs)) < 1e-11 * torch.linalg.vector_norm(
        flat(theirs)
    )


def test_resnet_computes_what_the_plain_modules_compute():
    net = ResNet18(2).double()
    x, _ = batch(16, 3, 16, torch.float64)
    torch.testing.assert_close(net(x), reference_resnet(net, x), rtol=1e-11, atol=1e-11)


def test_banded_and_plain_kernels_agree_on_ties_and_oblong_images():
    # images with a flat background: many windows whose largest value is shared by several positions
    g = torch.Generator().manual_seed(1)
    x = torch.zeros(24, 1, 8, 16, dtype=torch.float64)
    x[:, :, 2:5, 3:9] = torch.randn(24, 1, 3, 6, generator=g, dtype=torch.float64).round()
    y = torch.randint(10, (24,), generator=g)
    results = []
    for kernel in ("plain", "banded"):
        results.append(flat(loss_and_gradient(ConvNet(2, 1, kernel=kernel).double(), x, y)[1]))
    assert torch.linalg.vector_norm(results[0] - results[1]) < 1e-11 * torch.linalg.vector_norm(results[0])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("power", [-10, 10])
def test_scaling_by_a_power_of_two_changes_no_bit(name, power):
    # floating-point numbers scale by powers of two without rounding, so P1 must hold exactly, in float32
    net = NETWORKS[name]()
    set_norm(net, 1.0)
    x, y = images(name)
    loss, gradient = loss_and_gradient(net, x, y)
    with torch.no_grad():
        for p in trainable(net):
            p.mul_(2.0**power)
    scaled_loss, scaled_gradient = loss_and_gradient(net, x, y)
    assert torch.equal(loss, scaled_loss)
    for g, h in zip(gradient, scaled_gradient, strict=True):
        assert torch.equal(g, h * 2.0**power)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_laws_hold_at_every_norm(name, dtype):
    # P1 and P2 to round-off. In float32 P1 is not asked: round-off can flip the winner of a pooling window.
    net = NETWORKS[name]().to(dtype)
    x, y = images(name, dtype=dtype)
    eps = torch.finfo(dtype).eps
    unit = None
    for radius in (1.0, 1e-3, 1e3):
        set_norm(net, radius)
        assert weight_norm(net) == pytest.approx(radius, rel=4 * eps)
        w, g = flat(trainable(net)), flat(loss_and_gradient(net, x, y)[1])
        assert abs(torch.dot(w, g)) < 16 * eps * torch.linalg.vector_norm(w) * torch.linalg.vector_norm(g)
        if dtype == torch.float64:
            unit = g if unit is None else unit
            assert torch.linalg.vector_norm(g * radius - unit) < 1e-11 * torch.linalg.vector_norm(unit)


def test_an_epsilon_breaks_the_gradient_law():
    # negative control: torch's default eps at norm 1e-3
    net = ConvNet(8)
    plain = reference_convnet(net)
    for module in plain:
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    x, y = batch()
    set_norm(net, 1.0)
    unit = flat(loss_and_gradient(plain, x, y)[1][:4])
    set_norm(net, 1e-3)
    small = flat(loss_and_gradient(plain, x, y)[1][:4]) * 1e-3
    assert torch.linalg.vector_norm(small - unit) > 0.1 * torch.linalg.vector_norm(unit)


@pytest.mark.parametrize("name", NETWORKS)
def test_constant_channels_give_zero_and_not_nan(name):
    net = NETWORKS[name]()
    first = trainable(net)[0]
    with torch.no_grad():
        first[0] = 0.0
    x, y = images(name)
    loss, gradient = loss_and_gradient(net, x, y)
    assert torch.isfinite(loss)
    assert all(bool(torch.isfinite(g).all()) for g in gradient)
    assert name.startswith("ResNet") or not gradient[0][0].any()
    # a batch of one image over and over: whatever is constant must come out as 0, at any scale
    same = x[:1].expand(32, -1, -1, -1).contiguous()
    for radius in (1e-3, 1e3):
        set_norm(net, radius)
        loss, gradient = loss_and_gradient(net, same, y)
        assert torch.isfinite(loss)
        assert all(bool(torch.isfinite(g).all()) for g in gradient)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("offset", [0.0, 0.1, 1234.5])
def test_batch_norm_of_a_constant_channel(layout, offset):
    x, _ = batch(64, 3, 16)
    x[:, 1] = offset
    x = x.contiguous(memory_format=layout).requires_grad_()
    out = batch_norm(x)
    (grad,) = torch.autograd.grad(out.square().sum() + out.sum(), x)
    assert not out[:, 1].any()
    assert not grad[:, 1].any()
    live = out[:, [0, 2]]
    assert live.mean((0, 2, 3)).abs().max() < 1e-5
    assert (live.square().mean((0, 2, 3)) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("constant", [False, True])
def test_batch_norm_has_first_and_second_derivatives(layout, constant):
    # with and without a constant channel: they take different ways
    x, _ = batch(3, 2, 2, torch.float64)
    x.requires_grad_()
    keep = torch.tensor([1.0, 0.0 if constant else 1.0], dtype=torch.float64)[None, :, None, None]

    def normal(t):
        return batch_norm((t * keep).contiguous(memory_format=layout)).sin()

    assert torch.autograd.gradcheck(normal, (x,))
    assert torch.autograd.gradgradcheck(normal, (x,))


def test_plain_kernel_has_second_derivatives():
    # P1 differentiated once more: H w = -grad L
    net = ConvNet(1, 1, kernel="plain").double()
    x, y = batch(16, 1, 8, torch.float64)
    params = trainable(net)
    gradient = torch.autograd.grad(cross_entropy(net(x), y), params, create_graph=True)
    product = torch.autograd.grad(gradient, params, grad_outputs=[p.detach() for p in params])
    g, hw = flat(gradient), flat(product)
    assert torch.linalg.vector_norm(hw + g) < 1e-10 * torch.linalg.vector_norm(g)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batch_statistics_in_evaluation_too(architecture):
    net = build(architecture, 1)
    x, _ = batch()
    assert not list(net.buffers())
    assert torch.equal(net(x), net.eval()(x))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_head_is_frozen_at_norm_ten(architecture):
    net = build(architecture, 2)
    assert torch.linalg.vector_norm(net.head.weight) == pytest.approx(10.0, rel=1e-6)
    assert {p for p in net.parameters() if not p.requires_grad} == set(net.head.parameters())
    assert (net.head.bias is not None) == (architecture == "ConvNet")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_come_from_the_generator_alone(architecture):
    state = torch.get_rng_state()
    one, same, other = (
        build(architecture, 2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    # torch's default law, U(-1/sqrt(fan_in), 1/sqrt(fan_in)): variance 1/(3 fan_in), a known truth
    w = trainable(build("ConvNet", 16))[-1].detach().double()
    fan_in = w.shape[1] * 9
    # the variance of w**2 is (4/45) bound**4: relative standard error sqrt(0.8 / n)
    assert float(w.square().mean()) * 3 * fan_in == pytest.approx(1, abs=5 * (0.8 / w.numel()) ** 0.5)


def test_registry_does_not_import_torch():
    code = (
        "import sys; import thermograd.nets; from thermograd.nets.registry import weight_count;"
        "assert weight_count('ConvNet', 8) == 24408; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build("VGG", 1), "architecture is 'VGG'; expected one of ConvNet, ResNet18"),
        (lambda: ConvNet(0), "ConvNet: width is 0; expected a whole number above 0"),
        (lambda: ResNet18(2, in_channels=1.5), "in_channels is 1.5"),
        (lambda: ConvNet(1, kernel="fast"), "kernel is 'fast'; expected one of auto, banded, plain"),
        (lambda: ConvNet(1)(torch.zeros(4, 1, 8, 8)), r"shape \(4, 1, 8, 8\); expected \(batch, 3"),
        (lambda: ResNet18(1)(torch.zeros(4, 3, 12, 8)), "multiples of 8"),
        (lambda: set_norm(ConvNet(1), -1.0), "radius is -1.0; expected a finite number above 0"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
