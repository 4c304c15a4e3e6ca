"""One step of each optimizer against algebra by hand, and what makes them ordinary torch optimizers."""

import copy
import math

import mpmath
import pytest
import torch
from torch.nn.functional import cross_entropy

from thermograd.errors import InputError
from thermograd.nets import ConvNet, dimension, set_norm
from thermograd.nets.weights import trainable
from thermograd.optim import FixedELRSGD, FixedLRSGD, SphereSGD, for_protocol
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol

torch.set_num_threads(1)

# the same contract for each
OPTIMIZERS = {
    "sphere": (SphereSGD, {"elr": 0.3, "radius": 2.0}),
    "elr": (FixedELRSGD, {"elr": 0.3, "wd": 0.2}),
    "lr": (FixedLRSGD, {"lr": 0.3, "wd": 0.2}),
}


def plain_update(name, hyper, w, g):
    """The update as the paper writes it, on one vector."""
    norm = torch.linalg.vector_norm(w)
    if name == "sphere":
        w, g = w * hyper["radius"] / norm, g * norm / hyper["radius"]
        moved = w - hyper["elr"] * hyper["radius"] ** 2 * g
        return moved * hyper["radius"] / torch.linalg.vector_norm(moved)
    lr = hyper["lr"] if name == "lr" else hyper["elr"] * norm**2
    return w - lr * (g + hyper["wd"] * w)


def parameters(dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    shapes = [(3, 2, 2), (5,), (4, 3)]
    return [torch.nn.Parameter(torch.randn(s, generator=g, dtype=torch.float64).to(dtype)) for s in shapes]


def put_gradients(params, seed=1, size=1.0):
    """A random gradient orthogonal to the whole of w, as scale invariance demands."""
    g = torch.Generator().manual_seed(seed)
    w = flat(params)
    grad = torch.randn(w.shape, generator=g, dtype=torch.float64)
    grad = size * (grad - w * torch.dot(grad, w) / torch.dot(w, w))
    for p, piece in zip(params, grad.split([p.numel() for p in params]), strict=True):
        p.grad = piece.view_as(p).to(p.dtype)
    return grad


def flat(tensors):
    return torch.cat([t.detach().double().reshape(-1) for t in tensors])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_step_is_the_papers_update(name):
    kind, hyper = OPTIMIZERS[name]
    params = parameters()
    grad = put_gradients(params)
    expected = plain_update(name, hyper, flat(params), grad)
    norm = torch.linalg.vector_norm(flat(params))
    optimizer = kind(params, **hyper)
    assert optimizer.step() is None
    torch.testing.assert_close(flat(params), expected, rtol=1e-14, atol=1e-14)
    means = optimizer.take_means()
    assert means["norm"] == pytest.approx(float(norm), rel=1e-14)
    assert means["batch_grad_sq"] == pytest.approx(float(norm**2 * torch.dot(grad, grad)), rel=1e-14)


def test_several_tensors_are_one_vector():
    # the norm is that of all tensors together: splitting them into groups must change the result
    together, apart = parameters(), parameters()
    put_gradients(together)
    put_gradients(apart)
    SphereSGD(together, elr=0.3, radius=2.0).step()
    optimizer = SphereSGD([{"params": [p]} for p in apart], elr=0.3, radius=2.0)
    optimizer.step()
    assert float(torch.linalg.vector_norm(flat(together))) == pytest.approx(2.0, rel=1e-14)
    assert torch.linalg.vector_norm(flat(apart)) == pytest.approx(2.0 * math.sqrt(3), rel=1e-14)
    assert optimizer.take_means(2)["norm"] == pytest.approx(
        float(torch.linalg.vector_norm(parameters()[2].detach())), rel=1e-14
    )


def test_fixed_lr_is_torch_sgd():
    ours, theirs = parameters(), parameters()
    optimizers = FixedLRSGD(ours, lr=0.05, wd=0.1), torch.optim.SGD(theirs, lr=0.05, weight_decay=0.1)
    for seed in range(20):
        for params, optimizer in zip((ours, theirs), optimizers, strict=True):
            put_gradients(params, seed)
            optimizer.step()
    torch.testing.assert_close(flat(ours), flat(theirs), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("elr", [1e-1, 1e-5, 1e-9])
def test_effective_weight_decay_keeps_its_digits(elr):
    # float32 weights, w.g not quite 0: (|w - eta g| - r) / (eta r) in 50 digits, from the numbers as stored
    params = parameters(torch.float32)
    optimizer = SphereSGD(params, elr=elr, radius=1.5)
    put_gradients(params)
    optimizer.step()
    optimizer.take_means()
    put_gradients(params, size=0.1)
    with mpmath.workdps(50):
        w = [mpmath.mpf(v) for v in flat(params).tolist()]
        g = [mpmath.mpf(v) for v in flat([p.grad for p in params]).tolist()]
        norm = mpmath.sqrt(sum(v * v for v in w))
        eta = mpmath.mpf(elr) * norm**2
        moved = mpmath.sqrt(sum((a - eta * b) ** 2 for a, b in zip(w, g, strict=True)))
        exact = float((moved - norm) / (eta * norm))
        naive = float(
            (
                torch.linalg.vector_norm(
                    flat(params).float() - float(eta) * flat([p.grad for p in params]).float()
                )
                - float(norm)
            )
            / float(eta * norm)
        )
    optimizer.step()
    # the stored norm is the radius up to float32 round-off, 1e-7; the value is of order elr: digits are lost
    # only in w.g, whose float64 error is 1e-16
    assert optimizer.take_means()["effective_wd"] == pytest.approx(exact, rel=1e-6, abs=1e-15)
    if elr < 1e-3:  # negative control: the formula as printed, in float32
        assert abs(naive - exact) > 0.01 * abs(exact)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_means_are_over_the_interval(name):
    kind, hyper = OPTIMIZERS[name]
    params = parameters()
    optimizer = kind(params, **hyper)
    assert all(math.isnan(value) for value in optimizer.take_means().values())
    norms = []
    for seed in range(6):
        if seed == 3:
            first = optimizer.take_means()
            norms.clear()
        norms.append(float(torch.linalg.vector_norm(flat(params))))
        put_gradients(params, seed, size=0.1)
        optimizer.step()
    kept = optimizer.take_means(reset=False)
    assert kept["norm"] == pytest.approx(sum(norms) / 3, rel=1e-13)
    assert optimizer.take_means() == kept != first
    assert set(kept) == {"batch_grad_sq", "norm"} | ({"effective_wd"} if name == "sphere" else set())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dict_continues_bit_for_bit(name):
    kind, hyper = OPTIMIZERS[name]
    params = [torch.nn.Parameter(0.1 * p.detach()) for p in parameters(torch.float32)]
    optimizer = kind(params, **hyper)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for seed in range(5):
        put_gradients(params, seed, size=0.1)
        optimizer.step()
        scheduler.step()
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    others = [torch.nn.Parameter(p.detach().clone()) for p in params]
    other = kind(others, **dict.fromkeys(hyper, 1.0))
    other_scheduler = torch.optim.lr_scheduler.ExponentialLR(other, 0.5)
    other.load_state_dict(saved[0])
    other_scheduler.load_state_dict(saved[1])
    for p, o, s in ((params, optimizer, scheduler), (others, other, other_scheduler)):
        for seed in range(5, 10):
            put_gradients(p, seed, size=0.1)
            o.step()
            s.step()
    assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))
    assert torch.isfinite(flat(params)).all()
    assert optimizer.take_means() == other.take_means()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_schedulers_set_the_rate_of_the_protocol(name):
    kind, hyper = OPTIMIZERS[name]
    rate = next(iter(hyper))
    scheduled, fixed = parameters(), parameters()
    optimizer = kind(scheduled, **hyper)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.25 if step else 1.0)
    put_gradients(scheduled)
    optimizer.step()
    scheduler.step()
    kind([{"params": fixed}], **hyper)
    put_gradients(fixed)
    kind(fixed, **hyper).step()
    for params in (scheduled, fixed):
        put_gradients(params, seed=2)
    optimizer.step()
    kind(fixed, **{**hyper, rate: hyper[rate] / 4}).step()
    torch.testing.assert_close(flat(scheduled), flat(fixed), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_may_be_a_tensor(name):
    kind, hyper = OPTIMIZERS[name]
    rate = next(iter(hyper))
    number, tensor = parameters(), parameters()
    for params, value in ((number, hyper[rate]), (tensor, torch.tensor(hyper[rate], dtype=torch.float64))):
        put_gradients(params)
        kind(params, **{**hyper, rate: value}).step()
    torch.testing.assert_close(flat(number), flat(tensor), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_closures_and_post_hooks(name):
    kind, hyper = OPTIMIZERS[name]
    params = parameters()
    grad = put_gradients(params)
    expected = plain_update(name, hyper, flat(params), grad)
    pieces = [p.grad for p in params]
    optimizer = kind(params, **hyper)
    fired = []
    optimizer.register_step_post_hook(lambda *_: fired.append(1))

    def closure():
        optimizer.zero_grad()
        loss = sum((p * g).sum() for p, g in zip(params, pieces, strict=True))
        loss.backward()  # needs gradients enabled inside step
        return float(loss.detach())

    assert optimizer.step(closure) == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(flat(params), expected, rtol=1e-13, atol=1e-13)
    assert fired == [1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_missing_gradients(name):
    kind, hyper = OPTIMIZERS[name]
    params = parameters()
    optimizer = kind(params, **hyper)
    before = flat(params)
    optimizer.step()
    assert torch.equal(flat(params), before)  # nothing to do
    assert math.isnan(optimizer.take_means()["norm"])
    grad = put_gradients(params)
    params[1].grad = None
    grad[12:17] = 0
    norm = torch.linalg.vector_norm(before)
    optimizer.step()
    means = optimizer.take_means()
    assert means["norm"] == pytest.approx(float(norm), rel=1e-14)  # still part of w
    assert means["batch_grad_sq"] == pytest.approx(float(norm**2 * torch.dot(grad, grad)), rel=1e-14)


def test_frozen_head_is_not_part_of_w():
    net = ConvNet(1, 1)
    set_norm(net, 1.0)
    head = [p.clone() for p in net.head.parameters()]
    optimizer = for_protocol(FixedSphere(elr=1e-2, radius=0.5), net.parameters())
    assert sum(p.numel() for p in optimizer.param_groups[0]["params"]) == dimension(net)
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 1, 8, 8, generator=g), torch.randint(10, (32,), generator=g)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.1  # it descends
    assert torch.linalg.vector_norm(flat(trainable(net))) == pytest.approx(0.5, rel=1e-6)
    assert all(torch.equal(p, q) for p, q in zip(net.head.parameters(), head, strict=True))


def test_starting_off_the_sphere_is_projecting_first():
    # grad L(a w) = grad L(w) / a: the same step from w and from its projection
    off, on = parameters(), parameters()
    scale = 2.0 / float(torch.linalg.vector_norm(flat(on)))
    with torch.no_grad():
        for p in on:
            p.mul_(scale)
    put_gradients(off)
    for p, q in zip(on, off, strict=True):
        p.grad = q.grad / scale
    for params in (off, on):
        SphereSGD(params, elr=0.3, radius=2.0).step()
    torch.testing.assert_close(flat(off), flat(on), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("protocol", "kind", "group"),
    [
        (FixedSphere(elr=0.1, radius=2.0), SphereSGD, {"lr": 0.1, "radius": 2.0}),
        (FixedELR(elr=0.1, wd=0.2), FixedELRSGD, {"lr": 0.1, "weight_decay": 0.2}),
        (FixedLR(lr=0.1, wd=0.2), FixedLRSGD, {"lr": 0.1, "weight_decay": 0.2}),
    ],
)
def test_a_protocol_makes_its_optimizer(protocol, kind, group):
    optimizer = for_protocol(protocol, parameters())
    assert type(optimizer) is kind
    assert group.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SphereSGD(parameters(), elr=-1.0), r"SphereSGD: elr \(effective learning rate\) is -1.0"),
        (
            lambda: SphereSGD(parameters(), elr=1.0, radius=0),
            r"radius is 0; expected a finite number above 0",
        ),
        (lambda: FixedELRSGD(parameters(), elr=1.0, wd=math.nan), r"wd \(weight decay\) is nan"),
        (lambda: FixedLRSGD(parameters(), lr="1", wd=0.0), r"lr \(learning rate\) is '1'"),
        (lambda: FixedLRSGD([{"params": parameters(), "weight_decay": -1}], lr=1.0, wd=0.0), "is -1"),
        (lambda: SphereSGD([torch.zeros(3)], elr=1.0), "no parameter of a group requires a gradient"),
        (lambda: for_protocol(Protocol(), parameters()), "expected a FixedSphere, FixedELR or FixedLR"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
