"""The encoders of keras.applications whose features captioners are trained on, and how each wants its pictures.

The preprocessing is that of each network's `preprocess_input`:

    "tf"      p / 127.5 - 1                                          InceptionV3, Xception
    "caffe"   blue, green, red, less ImageNet's mean of each         VGG16, VGG19, ResNet50
    "torch"   (p / 255 - mean) / deviation, by channel               DenseNet
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from captioning.model.bundle import Channels, InputSpec, Resampling
from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    from keras import Model

__all__ = ["BY_NAME", "IMAGENET_2015", "NETWORKS", "EncoderNetwork", "networks_of_width"]

IMAGENET_2015: Final = "imagenet-2015"
_SCALE: Final = 1 / 127.5
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_Scaling = tuple[Channels, float | tuple[float, float, float], float | tuple[float, float, float]]
_TF: Final[_Scaling] = (Channels.RGB, _SCALE, -1.0)
_CAFFE: Final[_Scaling] = (Channels.BGR, 1.0, (-103.939, -116.779, -123.68))
_TORCH: Final[_Scaling] = (
    Channels.RGB,
    (1 / (255 * _DEVIATION[0]), 1 / (255 * _DEVIATION[1]), 1 / (255 * _DEVIATION[2])),
    (-_MEAN[0] / _DEVIATION[0], -_MEAN[1] / _DEVIATION[1], -_MEAN[2] / _DEVIATION[2]),
)


@dataclass(frozen=True, slots=True)
class EncoderNetwork:
    """A network of keras.applications, cut where captioners take its features.

    `name` is what `--encoder` calls it, `builder` what keras.applications does. `width` is how many features it gives,
    `side` how many pixels its pictures have on each side. `layer` is the layer that gives the features; None: the
    average over the last feature map. `file` is the file that Keras downloads for it, and `md5` its hash.
    """

    name: str
    builder: str
    width: int
    side: int
    scaling: _Scaling
    file: str
    md5: str
    layer: str | None = None

    def input_spec(self, resampling: Resampling, *, exif_transpose: bool) -> InputSpec:
        """Return how a bundle with this encoder reads its pictures."""
        channels, scale, offset = self.scaling
        return InputSpec(self.side, self.side, resampling, exif_transpose, scale, offset, channels=channels)

    def build(self) -> "Model":
        """Build the network up to its features, without weights. Raises ToolchainError without TensorFlow."""
        keras = require_tensorflow().keras
        build = getattr(keras.applications, self.builder)
        shape = (self.side, self.side, 3)
        if self.layer is None:
            made: Model = build(include_top=False, weights=None, pooling="avg", input_shape=shape)
            return made
        whole = build(include_top=True, weights=None, input_shape=shape)
        cut: Model = keras.Model(whole.inputs, whole.get_layer(self.layer).output)
        return cut

    @property
    def features(self) -> str:
        """Which of its numbers they are."""
        return f"the layer {self.layer}" if self.layer else "average-pool features"


_KERNELS: Final = "weights_tf_dim_ordering_tf_kernels"
NETWORKS: Final = (
    EncoderNetwork(
        "keras",
        "InceptionV3",
        2048,
        299,
        _TF,
        f"inception_v3_{_KERNELS}_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
    ),
    EncoderNetwork(
        "vgg16", "VGG16", 4096, 224, _CAFFE, f"vgg16_{_KERNELS}.h5", "64373286793e3c8b2b4e3219cbf3544b", "fc2"
    ),
    EncoderNetwork(
        "vgg19", "VGG19", 4096, 224, _CAFFE, f"vgg19_{_KERNELS}.h5", "cbe5617147190e668d6c5d5026f83318", "fc2"
    ),
    EncoderNetwork(
        "resnet50", "ResNet50", 2048, 224, _CAFFE, f"resnet50_{_KERNELS}_notop.h5", "4d473c1dd8becc155b73f8504c6f6626"
    ),
    EncoderNetwork(
        "xception", "Xception", 2048, 299, _TF, f"xception_{_KERNELS}_notop.h5", "b0042744bf5b25fce3cb969f33bebb97"
    ),
    EncoderNetwork(
        "densenet121",
        "DenseNet121",
        1024,
        224,
        _TORCH,
        f"densenet121_{_KERNELS}_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
    ),
    EncoderNetwork(
        "densenet201",
        "DenseNet201",
        1920,
        224,
        _TORCH,
        f"densenet201_{_KERNELS}_notop.h5",
        "c13680b51ded0fb44dff2d8f86ac8bb1",
    ),
)
BY_NAME: Final = {network.name: network for network in NETWORKS}
"""By what `--encoder` calls them."""


def networks_of_width(width: int) -> Sequence[EncoderNetwork]:
    """Return the networks that give so many features."""
    return [network for network in NETWORKS if network.width == width]
