"""Which files make up each data set, where they are published, and their sha256.

How the numbers below were checked (nothing was downloaded for it):

* MNIST: the sha256 and sizes of the four ``.gz`` agree between the url checksums of
  TensorFlow Datasets and those of torchvision for Ruby (and half a dozen others).  The sha256
  of the unpacked files agree between several projects, and with a copy of the digits rebuilt
  from PNG files.
* Fashion-MNIST: the sha256 of the four ``.gz`` agree between TensorFlow Datasets and Keras, and
  with a copy whose md5 are the four that torchvision lists.  The sha256 of the unpacked files
  were computed from that copy.
* CIFAR-10, binary archive: sha256 and size agree between TensorFlow Datasets, MLDatasets.jl,
  GoMLX and torchvision for Ruby.  Its ``test_batch.bin``: torchvision for Ruby and two
  unrelated projects agree.  Its five ``data_batch_*.bin``: torchvision for Ruby only, which is
  why they judge a folder of unpacked batches, and never the contents of the verified archive.
* CIFAR-10, Python batches: several unrelated projects agree, one of which lists beside each
  sha256 the md5 that torchvision lists too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes:
        name: its name on every mirror, in the cache and in a local folder.
        size: its length in bytes.
        sha256: of the file as it is served.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class IdxFile(RemoteFile):
    """An idx file, served with gzip around it.

    Attributes:
        content_size: length in bytes once unpacked.
        content_sha256: of the unpacked bytes; it also judges copies that were packed anew.
    """

    content_size: int
    content_sha256: str


@dataclass(frozen=True)
class IdxSet:
    """A set of four idx files.

    Attributes:
        title: what the set is called in records and messages.
        folder: where its files lie below the cache or a local folder, as in torchvision.
        mirrors: addresses that the file names are appended to, tried in this order.
        train_images: the (n, h, w) training images.
        train_labels: their (n,) labels.
        test_images: the (m, h, w) test images.
        test_labels: their (m,) labels.
        classes: names of the classes, in label order.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile
    classes: tuple[str, ...]


@dataclass(frozen=True)
class CifarBatch:
    """One batch of CIFAR-10 in its unpacked forms.

    Attributes:
        name: such as ``data_batch_1``.
        binary_sha256: of ``cifar-10-batches-bin/<name>.bin``.
        python_sha256: of ``cifar-10-batches-py/<name>``.
    """

    name: str
    binary_sha256: str
    python_sha256: str


@dataclass(frozen=True)
class CifarSet:
    """CIFAR-10 or a set of the same make.

    Attributes:
        title: what the set is called in records and messages.
        folder: where the archive lies below the cache.
        mirrors: addresses that the archive's name is appended to, tried in this order.
        archive: the binary version.
        train: the training batches in order.
        test: the test batch.
        rows: images in each batch.
        classes: names of the classes, in label order.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    archive: RemoteFile
    train: tuple[CifarBatch, ...]
    test: CifarBatch
    rows: int
    classes: tuple[str, ...]


MNIST = IdxSet(
    title="MNIST",
    folder="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",  # used by torchvision
        "https://storage.googleapis.com/cvdf-datasets/mnist/",  # used by TensorFlow Datasets
        "http://yann.lecun.com/exdb/mnist/",  # the authors' page, which often refuses
    ),
    train_images=IdxFile(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    train_labels=IdxFile(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    test_images=IdxFile(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    test_labels=IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    classes=tuple("0123456789"),
)

FASHION_MNIST = IdxSet(
    title="Fashion-MNIST",
    folder="FashionMNIST/raw",
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",  # authors
        # The authors' bucket; torchvision and TensorFlow Datasets use it.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # used by Keras
    ),
    train_images=IdxFile(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        47_040_016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    train_labels=IdxFile(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        60_008,
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    test_images=IdxFile(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        7_840_016,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    test_labels=IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        10_008,
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)

CIFAR10 = CifarSet(
    title="CIFAR-10",
    folder="CIFAR10",
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",  # the authors' page, used by TensorFlow Datasets
        "https://cave.cs.toronto.edu/kriz/",  # the same page at its newer address
        # A copy kept for Swift for TensorFlow.
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
    archive=RemoteFile(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    train=(
        CifarBatch(
            "data_batch_1",
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
        ),
        CifarBatch(
            "data_batch_2",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
        ),
        CifarBatch(
            "data_batch_3",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
        ),
        CifarBatch(
            "data_batch_4",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
        ),
        CifarBatch(
            "data_batch_5",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
        ),
    ),
    test=CifarBatch(
        "test_batch",
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    ),
    rows=10_000,
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
)
