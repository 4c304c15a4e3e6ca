"""Finding the scale-invariant parameters of any model by trying."""

import pytest
import torch
from torch import nn

from thermograd.errors import InputError
from thermograd.nets import BatchNorm, ConvNet, ResNet18, scale_invariant_parameters

torch.set_num_threads(1)


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(3)
    return torch.randn(24, 3, 8, 8, generator=g), torch.randint(10, (24,), generator=g)


def small_net(norm=lambda k: BatchNorm(), *, bias=False, frozen=True, extra=()):
    """Two convolutions with a normalisation each, and a linear head."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers, before = [], 3
        for k in (4, 8):
            layers += [nn.Conv2d(before, k, 3, padding=1, bias=bias), norm(k), nn.ReLU()]
            before = k
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *extra, nn.Linear(8, 10))
    net[-1].requires_grad_(not frozen)
    return net


def verdicts(report):
    return {t.name: t.verdict for t in report.tensors}


def test_convnet_tensors_are_invariant_alone(batch):
    report = scale_invariant_parameters(ConvNet(2), batch)
    assert set(verdicts(report).values()) == {"alone"}
    assert report.fully
    assert report.groups == ()
    assert report.dimension == 1566
    assert report.frozen == ("head.weight", "head.bias")
    assert max(t.violation for t in report.tensors) < 1e-12
    report.raise_if_not_fully()


def test_resnet_streams_are_found_as_groups(batch):
    report = scale_invariant_parameters(ResNet18(1), batch)
    assert report.fully
    # what writes to one residual stream, worked out from the architecture
    assert {frozenset(group) for group in report.groups} == {
        frozenset({"stem.weight", "blocks.0.conv2.weight", "blocks.1.conv2.weight"}),
        *(
            frozenset(
                {f"blocks.{i}.{part}.weight" for part in ("conv2", "shortcut")}
                | {f"blocks.{i + 1}.conv2.weight"}
            )
            for i in (2, 4, 6)
        ),
    }
    alone = {name for name, verdict in verdicts(report).items() if verdict == "alone"}
    assert alone == {f"blocks.{i}.conv1.weight" for i in range(8)}


def test_affine_parameters_of_an_inner_normalisation_scale_together(batch):
    # ReLU and a convolution pass a factor on to the next normalisation, which removes it
    net = small_net(lambda k: nn.BatchNorm2d(k, eps=1e-30))
    report = scale_invariant_parameters(net, batch)
    assert report.groups == (("1.weight", "1.bias"),)
    assert not report.fully
    assert {t.name for t in report.breaking} == {"4.weight", "4.bias"}
    with pytest.raises(InputError, match=r"4\.(weight|bias) \(8 weights\).*affine normalisation"):
        report.raise_if_not_fully()


def test_bias_before_a_normalisation_is_inert(batch):
    report = scale_invariant_parameters(small_net(bias=True), batch)
    assert verdicts(report) == {
        "0.weight": "alone",
        "0.bias": "inert",
        "3.weight": "alone",
        "3.bias": "inert",
    }
    assert report.dimension == 3 * 4 * 9 + 4 * 8 * 9
    with pytest.raises(InputError, match="no influence on the loss: usually a bias before a normalisation"):
        report.raise_if_not_fully()


def test_trainable_head_is_named(batch):
    report = scale_invariant_parameters(small_net(frozen=False), batch)
    assert {t.name for t in report.breaking} == {"6.weight", "6.bias"} or {
        t.name for t in report.breaking
    } == {"8.weight", "8.bias"}
    with pytest.raises(InputError, match="linear head; freeze it"):
        report.raise_if_not_fully()
    assert "Not fully scale-invariant: 396 of 486" in str(report)


def test_running_statistics_break_it(batch):
    net = small_net(lambda k: nn.BatchNorm2d(k, affine=False)).eval()
    report = scale_invariant_parameters(net, batch)
    assert report.dimension == 0
    assert all(t.violation > 0.05 for t in report.tensors)
    with pytest.raises(InputError, match="running statistics"):
        report.raise_if_not_fully()


def test_rescaling_between_two_layers_is_not_scale_invariance(batch):
    # negative control: L(a W1, W2 / a) = L is a symmetry whose null vector is (1, -1), not (1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(192, 7, bias=False), nn.ReLU(), nn.Linear(7, 10, bias=False)
        )
    report = scale_invariant_parameters(net, batch)
    assert report.groups == ()
    assert set(verdicts(report).values()) == {"not"}


def test_an_epsilon_is_measured_and_can_be_accepted(batch):
    net = small_net(lambda k: nn.BatchNorm2d(k, affine=False))
    strict = scale_invariant_parameters(net, batch)
    assert not strict.fully
    assert all(1e-6 < t.violation < 1e-2 and "epsilon" in t.hint for t in strict.breaking)
    assert scale_invariant_parameters(net, batch, tolerance=1e-2).fully
    # the violation of (var + eps)**-1/2 is about eps / var: ten times the epsilon, ten times the violation
    coarse = scale_invariant_parameters(small_net(lambda k: nn.BatchNorm2d(k, affine=False, eps=1e-4)), batch)
    for fine_t, coarse_t in zip(strict.tensors, coarse.tensors, strict=True):
        assert coarse_t.violation / fine_t.violation == pytest.approx(10, rel=0.2)


def test_float32_finds_the_same(batch):
    report = scale_invariant_parameters(ResNet18(1), batch, dtype=torch.float32)
    assert report.fully
    assert len(report.groups) == 4
    assert report.dtype == "float32"


def test_model_is_left_as_it_was(batch):
    net = small_net(nn.BatchNorm2d, extra=(nn.Dropout(0.5),))
    for p in net.parameters():
        p.grad = torch.full_like(p, 3.0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    report = scale_invariant_parameters(net, batch)
    # dropout keeps its mask from one evaluation to the next, so it does not hide the invariance
    assert max(t.violation for t in report.tensors if t.name in ("0.weight", "3.weight")) < 1e-2
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(bool((p.grad == 3.0).all()) and p.dtype == torch.float32 for p in net.parameters())


def test_wrong_input_is_named(batch):
    with pytest.raises(InputError, match="tolerance is -1"):
        scale_invariant_parameters(ConvNet(1), batch, tolerance=-1)
    with pytest.raises(InputError, match="expected a finite scalar"):
        scale_invariant_parameters(ConvNet(1), batch, loss=lambda out, _: out)
    frozen = ConvNet(1).requires_grad_(False)
    with pytest.raises(InputError, match="no trainable parameters"):
        scale_invariant_parameters(frozen, batch).raise_if_not_fully()
