"""Batched networks: each replica is the network alone, untouched, to the bit, by what the others hold."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from thermograd.errors import InputError
from thermograd.nets import ConvNet, Replicas, ResNet18, losses, set_norm, stacked
from thermograd.nets.normalise import batch_norm, steady_batch_norm
from thermograd.nets.stacked import KERNELS, Shape
from thermograd.nets.weights import trainable

torch.set_num_threads(1)

ARCHITECTURES = {"ConvNet": ConvNet, "ResNet18": ResNet18}
# (architecture, width, channels, side, R)
CASES = [
    ("ConvNet", 1, 1, 8, 1),
    ("ConvNet", 1, 1, 8, 16),
    ("ConvNet", 2, 1, 8, 8),
    ("ConvNet", 3, 2, 8, 3),
    ("ConvNet", 8, 1, 8, 2),
    ("ConvNet", 4, 3, 8, 8),
    ("ConvNet", 2, 3, 32, 2),
    ("ResNet18", 1, 1, 8, 8),
    ("ResNet18", 3, 2, 8, 2),
    ("ResNet18", 2, 3, 8, 3),
    ("ResNet18", 1, 3, 32, 2),
]
# one small case for each kernel and architecture, for the laws that do not depend on the size
SMALL = [
    ("ConvNet", "compiled"),
    ("ConvNet", "banded"),
    ("ConvNet", "each"),
    ("ConvNet", "grouped"),
    ("ResNet18", "each"),
    ("ResNet18", "grouped"),
]


def networks(architecture, width, channels, count, first=0):
    generators = [torch.Generator().manual_seed(first + r) for r in range(count)]
    return [ARCHITECTURES[architecture](width, channels, generator=g) for g in generators]


def data(channels, side, count, batch=24, dtype=torch.float32):
    g = torch.Generator().manual_seed(1)
    images = torch.randn(100, channels, side, side, generator=g, dtype=torch.float64).to(dtype)
    index = torch.randint(100, (count, batch), generator=g)
    return images, index, torch.randint(10, (count, batch), generator=g)


def kernels(architecture, width, channels, side, dtype):
    shape = Shape(architecture, width, 1, channels, side, side, "cpu", dtype)
    return [name for name, kernel in KERNELS.items() if kernel.applies(shape)]


def computed(nets, images, index, labels, kernel):
    """Logits, losses and gradients ``(R, d)``."""
    replicas = Replicas(nets, kernel=kernel)
    logits = replicas(replicas.gather(replicas.prepare(images), index))
    each = losses(logits, labels)
    each.sum().backward()
    return logits.detach(), each.detach(), torch.cat([w.grad.flatten(1) for w in replicas.weights], 1)


def alone(net, images, labels):
    logits = net(images)
    loss = cross_entropy(logits, labels)
    gradient = torch.autograd.grad(loss, trainable(net))
    return logits.detach(), loss.detach(), torch.cat([g.flatten() for g in gradient])


def relative(a, b):
    return float(torch.linalg.vector_norm(a.double() - b.double()) / torch.linalg.vector_norm(b.double()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_replica_is_the_network_alone(case):
    architecture, width, channels, side, count = case
    nets = [net.double() for net in networks(architecture, width, channels, count)]
    images, index, labels = data(channels, side, count, dtype=torch.float64)
    names = kernels(architecture, width, channels, side, torch.float64)
    assert len(names) >= 2
    expected = [alone(net, images[i], y) for net, i, y in zip(nets, index, labels, strict=True)]
    for name in names:
        logits, each, gradient = computed(nets, images, index, labels, name)
        for r, theirs in enumerate(expected):
            # float64 round-off through up to 20 layers; condition numbers are about 1e2 a few layers
            assert relative(logits[r], theirs[0]) < 1e-11, name
            assert relative(each[r], theirs[1]) < 1e-11, name
            assert relative(gradient[r], theirs[2]) < 1e-10, name


@pytest.mark.parametrize("case", [case for case in CASES if case[4] > 1], ids=str)
def test_single_precision_errs_by_its_round_off(case):
    # The rate: 2^29 times the round-off of the test above. A replica may have a ReLU or a pooling window that
    # falls to the other side, which moves its gradient by up to some percent; the median has none.
    architecture, width, channels, side, count = case
    nets = networks(architecture, width, channels, count)
    images, index, labels = data(channels, side, count)
    doubles = [net.double() for net in networks(architecture, width, channels, count)]
    expected = [alone(net, images[i].double(), y) for net, i, y in zip(doubles, index, labels, strict=True)]
    for name in kernels(architecture, width, channels, side, torch.float32):
        logits, _, gradient = computed(nets, images, index, labels, name)
        assert gradient.dtype == torch.float32
        errors = sorted(relative(g, theirs[2]) for g, theirs in zip(gradient, expected, strict=True))
        assert errors[(count - 1) // 2] < 1e-11 * 2**29, name
        assert errors[-1] < 0.1, name
        assert all(relative(z, theirs[0]) < 1e-12 * 2**29 for z, theirs in zip(logits, expected, strict=True))


GROUPED = KERNELS["grouped"]


def flipped(architecture, images, weights, convolve):
    """Every kernel turned by half a turn."""
    return GROUPED.features(architecture, images, [w.flip((3, 4)) for w in weights], convolve)


def exchanged(architecture, images, weights, convolve):
    """The first layers of two replicas exchanged."""
    return GROUPED.features(architecture, images, [weights[0].flip(0), *weights[1:]], convolve)


@pytest.mark.parametrize("wrong", [flipped, exchanged])
def test_a_wrong_kernel_is_rejected(monkeypatch, wrong):
    nets = [net.double() for net in networks("ConvNet", 2, 1, 2)]
    images, index, labels = data(1, 8, 2, dtype=torch.float64)
    theirs = alone(nets[0], images[index[0]], labels[0])
    monkeypatch.setitem(KERNELS, "grouped", dataclasses.replace(GROUPED, features=wrong))
    logits, _, gradient = computed(nets, images, index, labels, "grouped")
    assert relative(logits[0], theirs[0]) > 1e-3
    assert relative(gradient[0], theirs[2]) > 1e-3


# -- bits ----------------------------------------------------------------------------------------------------


def ruined(nets):
    """Every second network replaced: another one, one of NaN, one diverged, one about to overflow."""
    others = networks(type(nets[0]).__name__, nets[0].width, nets[0].in_channels, len(nets), first=50)
    mixed = [net if r % 2 == 0 else others[r] for r, net in enumerate(nets)]
    with torch.no_grad():
        for p in trainable(mixed[1]):
            p.fill_(torch.nan)
        for p in trainable(mixed[3]):
            p.mul_(torch.inf)
        for p in trainable(mixed[5]):
            p.mul_(1e37)
    return mixed


@pytest.mark.parametrize(("architecture", "kernel"), SMALL)
@pytest.mark.parametrize(("width", "batch"), [(2, 32), (3, 50)])
def test_the_bits_depend_on_neither_companions_nor_slot(architecture, kernel, width, batch):
    nets = networks(architecture, width, 1, 8)
    images, index, labels = data(1, 8, 8, batch)
    once = computed(nets, images, index, labels, kernel)
    again = computed(nets, images, index, labels, kernel)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    moved = computed([nets[r] for r in order], images, index[order], labels[order], kernel)
    among = computed(ruined(nets), images, index, labels, kernel)
    for a, b, c, d in zip(once, again, moved, among, strict=True):
        assert torch.isfinite(a).all()
        assert torch.equal(a, b)
        assert torch.equal(a[order], c)
        assert torch.equal(a[::2], d[::2])
        assert not torch.isfinite(d[1]).all()
        assert not torch.equal(a[7], d[7])  # another network is another network: the comparison can fail


@pytest.mark.parametrize(
    ("kernel", "counts"),
    [("compiled", (1, 2, 3)), ("banded", (1, 2, 3)), ("each", (1, 2, 3)), ("grouped", (2, 3))],
)
@pytest.mark.parametrize(("width", "batch"), [(1, 32), (3, 50), (4, 24)])
def test_the_bits_of_convnet_do_not_depend_on_how_many_there_are(kernel, counts, width, batch):
    # of one network alone the grouped kernel makes an ordinary convolution: other bits
    nets = networks("ConvNet", width, 1, 8)
    images, index, labels = data(1, 8, 8, batch)
    all_of_them = computed(nets, images, index, labels, kernel)
    for count in counts:
        some = computed(nets[:count], images, index[:count], labels[:count], kernel)
        for a, b in zip(all_of_them, some, strict=True):
            assert torch.equal(a[:count], b)


# -- scale invariance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("architecture", "kernel"), SMALL)
def test_scaling_by_powers_of_two_changes_no_bit(architecture, kernel):
    # each replica by a factor of its own; floating-point numbers scale by powers of two without rounding
    nets = networks(architecture, 2, 1, 4)
    for net in nets:
        set_norm(net, 1.0)
    images, index, labels = data(1, 8, 4)
    replicas = Replicas(nets, kernel=kernel)
    factors = torch.tensor([0.5, 2.0**-10, 2.0**10, 1.0])
    results = []
    for factor in (torch.ones(4), factors):
        replicas.load_flat(torch.stack([torch.cat([p.flatten() for p in trainable(n)]) for n in nets]))
        replicas.load_flat(replicas.flat() * factor[:, None])
        replicas.zero_grad()
        each = losses(replicas(replicas.gather(replicas.prepare(images), index)), labels)
        each.sum().backward()
        gradient = torch.cat([w.grad.flatten(1) for w in replicas.weights], 1)
        results.append((each.detach(), gradient * factor[:, None]))
        # P2, w . g = 0, to round-off
        w, g = replicas.flat().double(), gradient.double()
        bound = 16 * torch.finfo(torch.float32).eps * w.norm(dim=1) * g.norm(dim=1)
        assert ((w * g).sum(1).abs() < bound).all()
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(("architecture", "kernel"), SMALL)
def test_constant_channels_give_zero_and_not_nan(architecture, kernel):
    nets = networks(architecture, 2, 1, 3)
    with torch.no_grad():
        trainable(nets[1])[0][0] = 0.0
    images, index, labels = data(1, 8, 3)
    images = torch.cat([images, torch.full_like(images, 0.7)])
    index[2] += 100  # this one sees one constant image over and over
    logits, _, gradient = computed(nets, images, index, labels, kernel)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(gradient).all()
    assert architecture == "ResNet18" or not gradient[1][:9].any()
    assert gradient[0].any()


# -- the interface -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_flat_weights_are_the_modules_own_and_can_be_loaded(architecture):
    nets = networks(architecture, 2, 3, 3)
    replicas = Replicas(nets)
    own = torch.stack([torch.cat([p.detach().flatten() for p in trainable(net)]) for net in nets])
    assert replicas.count == 3
    assert replicas.dim == own.shape[1] == sum(w[0].numel() for w in replicas.weights)
    assert torch.equal(replicas.flat(), own)
    assert all(w.is_contiguous() and w.shape[0] == 3 for w in replicas.weights)
    replicas.load_flat(own.flip(0))
    assert torch.equal(replicas.flat(), own.flip(0))
    copy = replicas.flat()
    copy.zero_()
    assert torch.equal(replicas.flat(), own.flip(0))
    assert torch.equal(own[0], torch.cat([p.detach().flatten() for p in trainable(nets[0])]))


@pytest.mark.parametrize(("architecture", "kernel"), SMALL)
@pytest.mark.parametrize("side", [8, 16])
def test_gathered_images_are_the_chosen_ones_and_any_layout_is_taken(architecture, kernel, side):
    nets = networks(architecture, 1, 3, 2)
    images, index, _ = data(3, side, 2)
    replicas = Replicas(nets, kernel=kernel)
    gathered = replicas.gather(replicas.prepare(images), index)
    assert torch.equal(gathered, images[index])
    # the layout may change the order of sums, not the function
    torch.testing.assert_close(replicas(gathered), replicas(images[index]), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(replicas(gathered), replicas(images[index]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", ["compiled", "banded", "grouped"])
def test_two_forwards_before_a_backward_do_not_share_memory(kernel):
    nets = networks("ConvNet", 2, 1, 2)
    images, index, labels = data(1, 8, 2)
    expected = computed(nets, images, index, labels, kernel)[2]
    replicas = Replicas(nets, kernel=kernel)
    prepared = replicas.prepare(images)
    for _ in range(2):
        first = losses(replicas(replicas.gather(prepared, index)), labels).sum()
        second = losses(replicas(replicas.gather(prepared, index.flip(1))), labels).sum()
        with torch.no_grad():
            replicas(replicas.gather(prepared, index.flip(0)))
        gradients = [torch.autograd.grad(loss, replicas.weights) for loss in (first, second)]
        assert torch.equal(torch.cat([g.flatten(1) for g in gradients[0]], 1), expected)
        assert not torch.equal(gradients[1][0], gradients[0][0])


def test_the_banded_kernel_refuses_a_second_backward():
    nets = networks("ConvNet", 2, 1, 2)
    images, index, labels = data(1, 8, 2)
    replicas = Replicas(nets, kernel="banded")
    loss = losses(replicas(images[index]), labels).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        loss.backward()


class NoLooking(TorchDispatchMode):
    """Refuses whatever would make a host wait for a device, or choose an operation by its numbers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in {"_local_scalar_dense", "item", "equal", "nonzero", "masked_select"}, name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("architecture", "kernel"), [("ConvNet", "banded"), ("ConvNet", "grouped"), ("ResNet18", "grouped")]
)
def test_no_kernel_of_a_device_looks_at_the_numbers(architecture, kernel):
    replicas = Replicas(networks(architecture, 2, 1, 3), kernel=kernel)
    images, index, labels = data(1, 8, 3)
    prepared = replicas.prepare(images)
    with NoLooking():
        losses(replicas(replicas.gather(prepared, index)), labels).sum().backward()
        # in the layout of a device
        x = images[:24].requires_grad_()
        steady_batch_norm(x).square().sum().backward()
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            batch_norm(x)


def test_losses_are_each_replicas_mean_cross_entropy():
    g = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 50, 10, generator=g), torch.randint(10, (3, 50), generator=g)
    expected = torch.stack([cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)])
    torch.testing.assert_close(losses(logits, labels), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_auto_settles_on_one_kernel_that_applies(architecture):
    replicas = Replicas(networks(architecture, 1, 1, 2))
    assert replicas.kernel == "auto"
    replicas.prepare(torch.zeros(4, 1, 8, 8))
    assert replicas.kernel in kernels(architecture, 1, 1, 8, torch.float32)
    for device in ("cpu", "cuda"):
        for width in (1, 4, 16):
            for side in (8, 32):
                for count in (1, 8):
                    shape = Shape(architecture, width, count, 3, side, side, device)
                    assert KERNELS[stacked.choose(shape)].applies(shape)


def test_what_does_not_fit_is_refused():
    nets = networks("ConvNet", 2, 1, 2)
    with pytest.raises(InputError, match="kernel is 'fast'"):
        Replicas(nets, kernel="fast")
    with pytest.raises(InputError, match="empty"):
        Replicas([])
    with pytest.raises(InputError, match="Linear"):
        Replicas([torch.nn.Linear(2, 2)])
    with pytest.raises(InputError, match=r"network 1 is ConvNet\(3, 1, 10\)"):
        Replicas([nets[0], ConvNet(3, 1)])
    with pytest.raises(InputError, match="network 1 is ResNet18"):
        Replicas([nets[0], ResNet18(2, 1)])
    with pytest.raises(InputError, match="float64"):
        Replicas([nets[0], ConvNet(2, 1).double()])
    with pytest.raises(InputError, match="'banded' cannot compute"):
        Replicas(networks("ResNet18", 1, 1, 2), kernel="banded").prepare(torch.zeros(4, 1, 8, 8))
    replicas = Replicas(nets)
    with pytest.raises(InputError, match="expected 1 channels"):
        replicas.prepare(torch.zeros(4, 3, 8, 8))
    with pytest.raises(InputError, match="multiples of 8"):
        replicas.prepare(torch.zeros(4, 1, 9, 9))
    with pytest.raises(InputError, match=r"expected \(2, batch"):
        replicas(torch.zeros(3, 4, 1, 8, 8))
    with pytest.raises(InputError, match=r"expected \(2, 1530\)"):
        replicas.load_flat(torch.zeros(2, 3))
