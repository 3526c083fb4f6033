"""Every backbone of simplug, through the conformance suite."""

from __future__ import annotations

import pytest

from simplug.testing import BackboneSuite


class TestConv4(BackboneSuite):
    name = "conv4"


class TestConvBlocks(BackboneSuite):
    name = "conv_blocks"
    config = {"filters": [4, 6, 8], "halvings": 2, "embedding_dim": 16}  # noqa: RUF012 - never changed


@pytest.mark.slow
class TestKerasApplications(BackboneSuite):
    name = "keras_applications"
    config = {"model": "MobileNetV3Small"}  # noqa: RUF012 - never changed
    input_shape = (32, 32, 3)
    wrong_shape = (28, 28, 1)


class TestMlp(BackboneSuite):
    name = "mlp"


@pytest.mark.slow
class TestResNet18(BackboneSuite):
    name = "resnet18"
    input_shape = (8, 8, 1)


class TestSaved(BackboneSuite):
    name = "saved"
    input_shape = (6, 6, 1)
    wrong_shape = (7, 6, 1)

    @pytest.fixture
    def config(self, tmp_path):
        import keras

        inputs = keras.Input(self.input_shape)
        maps = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(inputs))
        keras.Model(inputs, maps, name="small").save(tmp_path / "small.keras")
        return {"path": str(tmp_path / "small.keras"), "embedding_dim": 8}


class TestSmallCnn(BackboneSuite):
    name = "small_cnn"
