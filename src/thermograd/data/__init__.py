"""Image sets to train on: the embedded digits and CIFAR-10/100, and how minibatches are drawn from them."""

from thermograd.data.cifar import read_cifar
from thermograd.data.digits import load_digits
from thermograd.data.download import cache_folder, fetch
from thermograd.data.images import ImageData, describe
from thermograd.data.sampling import BatchSampler
from thermograd.data.sources import NAMES, absolute, load
from thermograd.data.stratified import subset

__all__ = [
    "NAMES",
    "BatchSampler",
    "ImageData",
    "absolute",
    "cache_folder",
    "describe",
    "fetch",
    "load",
    "load_digits",
    "read_cifar",
    "subset",
]
