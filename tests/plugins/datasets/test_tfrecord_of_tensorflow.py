from __future__ import annotations

import numpy as np
import pytest
from simplug_datasets.tfrecord import TfRecord


@pytest.mark.parametrize("encoding", ["image", "raw", "numbers"])
def test_what_tensorflow_writes_is_read(tmp_path, encoding):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)

    def feature(image):
        if encoding == "numbers":
            return tf.train.Feature(float_list=tf.train.FloatList(value=image.reshape(-1) / 255))
        content = tf.io.encode_png(image).numpy() if encoding == "image" else image.tobytes()
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))

    order = rng.permutation(30)
    for shard in range(3):
        with tf.io.TFRecordWriter(str(tmp_path / f"part-{shard}.tfrecord")) as writer:
            for number in order[shard * 10 : shard * 10 + 10]:
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 4]))
                features = tf.train.Features(feature={"image": feature(images[number]), "label": label})
                writer.write(tf.train.Example(features=features).SerializeToString())
    options = {} if encoding == "image" else {"encoding": encoding, "shape": (6, 5, 3)}
    train = TfRecord(str(tmp_path), test_fraction=0, **options).load().splits["train"]
    # Of a class, records stand in the order of the files.
    expected = np.concatenate([[number for number in order if number % 4 == label] for label in range(4)])
    np.testing.assert_array_equal(train.labels, expected % 4)
    if encoding == "numbers":
        np.testing.assert_allclose(train.read(), images[expected] / 255, rtol=1e-6)
    else:
        np.testing.assert_array_equal(train.read(), images[expected])
