"""The models of keras.applications: what each needs of its images, known without importing Keras."""

from __future__ import annotations

import attrs

from simplug_backbones.preprocessing import Mode


@attrs.frozen
class Family:
    """Models that take the same images.

    Attributes:
        models: Their names in ``keras.applications``.
        least: The fewest pixels on a side.
        mode: How their pixels are prepared.
    """

    models: tuple[str, ...]
    least: int
    mode: Mode


_FAMILIES = (
    Family(("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"), 32, "none"),
    Family(("DenseNet121", "DenseNet169", "DenseNet201"), 32, "torch"),
    Family(tuple(f"EfficientNetB{size}" for size in range(8)), 32, "none"),
    Family(tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")), 32, "none"),
    Family(("InceptionV3", "InceptionResNetV2"), 75, "tf"),
    Family(("MobileNet", "MobileNetV2"), 32, "tf"),
    Family(("MobileNetV3Large", "MobileNetV3Small"), 32, "none"),
    Family(("NASNetLarge", "NASNetMobile"), 32, "tf"),
    Family(("ResNet50", "ResNet101", "ResNet152"), 32, "caffe"),
    Family(("ResNet50V2", "ResNet101V2", "ResNet152V2"), 32, "tf"),
    Family(("VGG16", "VGG19"), 32, "caffe"),
    Family(("Xception",), 71, "tf"),
)

FAMILY_OF: dict[str, Family] = {model: family for family in _FAMILIES for model in family.models}
"""The family of each model."""
