"""MNIST, Fashion-MNIST and CIFAR-10, checked and cached; CamVid and skeletons from a folder.

Each function looks in the folder that the environment variable ``ATTNCOURSE_DATA`` names, if
there is one; it is only ever read, and may have the layout of torchvision.  Otherwise the files
are downloaded once to a cache folder (``ATTNCOURSE_CACHE``, by default that of your system).
Either way their sha256 are compared with the published ones before anything is used.  CamVid,
for which no sums are published, is checked by its counts, sizes and labels.
Skeletons are read from the folder only: see ``attncourse.datasets.skeleton``.

Sources: Y. LeCun, C. Cortes, C. Burges, *The MNIST database of handwritten digits*, 1998;
H. Xiao, K. Rasul, R. Vollgraf, *Fashion-MNIST*, arXiv:1708.07747, 2017 (MIT licence);
A. Krizhevsky, *Learning multiple layers of features from tiny images*, technical report, 2009;
G. Brostow, J. Fauqueur, R. Cipolla, *Semantic object classes in video*, Pattern Recognition
Letters, 2009, in the split of V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, 2015.
"""

from __future__ import annotations

from attncourse.datasets.camvid import load_camvid
from attncourse.datasets.cifar import load_cifar
from attncourse.datasets.errors import DataError
from attncourse.datasets.idx import load_idx
from attncourse.datasets.images import ImageData
from attncourse.datasets.registry import CIFAR10, FASHION_MNIST, MNIST
from attncourse.datasets.segmentation import SegmentationData
from attncourse.datasets.skeleton import SkeletonData, load_msr_action3d, load_utkinect
from attncourse.datasets.store import Store

__all__ = [
    "DataError",
    "ImageData",
    "SegmentationData",
    "SkeletonData",
    "camvid",
    "cifar10",
    "fashion_mnist",
    "mnist",
    "msr_action3d",
    "utkinect",
]


def mnist() -> ImageData:
    """Handwritten digits: 60,000 and 10,000 images (n, 28, 28), ten classes; 12 MB to download.

    Looked for as ``MNIST/raw/train-images-idx3-ubyte`` and so on, with ``.gz`` or without.

    Raises:
        DataError: if the files cannot be had or are not the published ones.
    """
    return load_idx(MNIST, Store.from_environment())


def fashion_mnist() -> ImageData:
    """Garments: 60,000 and 10,000 images (n, 28, 28), ten classes; 31 MB to download.

    Looked for as ``FashionMNIST/raw/train-images-idx3-ubyte`` and so on, with ``.gz`` or without.

    Raises:
        DataError: if the files cannot be had or are not the published ones.
    """
    return load_idx(FASHION_MNIST, Store.from_environment())


def cifar10() -> ImageData:
    """Small photographs: 50,000 and 10,000 images (n, 32, 32, 3), ten classes; 170 MB to download.

    Looked for as ``cifar-10-batches-bin/``, ``cifar-10-binary.tar.gz``, ``cifar-10-batches-py/``
    or ``cifar10_jpeg/``, in this order.  The last holds images that went through JPEG, which the
    field ``source`` then says: figures from it are not figures on CIFAR-10.

    Raises:
        DataError: if the files cannot be had or are not the published ones.
    """
    return load_cifar(CIFAR10, Store.from_environment())


def camvid() -> SegmentationData:
    """Road scenes: 367, 101 and 233 images (n, 180, 240, 3), eleven classes; never downloaded.

    Looked for as ``camvid_240x180/`` and as ``CamVid/``, the SegNet tutorial's, in this order.

    Raises:
        DataError: if ``ATTNCOURSE_DATA`` names no such folder, or a file is not what it should be.
    """
    return load_camvid(Store.from_environment())


def msr_action3d() -> SkeletonData:
    """Game-like actions: the 557 usual clips of 20 joints, 20 actions, 10 subjects; from a folder.

    Looked for as ``skeleton/msraction3d.npz``, in the layout of ``attncourse.datasets.skeleton``.

    Raises:
        DataError: if the file is not there or not laid out like this; it is never downloaded.
    """
    return load_msr_action3d(Store.from_environment())


def utkinect() -> SkeletonData:
    """Everyday actions: 199 clips of 20 joints, 10 actions, 10 subjects; from a folder.

    Looked for as ``skeleton/utkinect_segments.npz`` or, in the authors' own text format,
    ``skeleton/utkinect_joints_raw.zip``.  Joints are in the order of the first Kinect.

    Raises:
        DataError: if neither file is there, or one is not what it should be; never downloaded.
    """
    return load_utkinect(Store.from_environment())
