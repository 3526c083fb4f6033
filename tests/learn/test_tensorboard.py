"""What TensorBoard is given: pictures of neighbours, and a projection of the embeddings."""

import io
import re

import keras
import numpy as np
import pytest
from PIL import Image

import simplug
from simplug.kernel.errors import InvalidInputError
from simplug.learn.event_file import EventFile
from simplug.learn.pictures import QUERY, RIGHT, WRONG, as_pictures, sheet
from simplug.learn.tensorboard import write_projection


def picture_of(tensor):
    width, height, data = tensor.tolist()
    opened = Image.open(io.BytesIO(data))
    assert opened.size == (int(width), int(height))
    return np.asarray(opened)


@pytest.fixture(scope="module")
def model():
    """A model whose embeddings are the brightness of the left and of the right half of a picture."""
    inputs = keras.Input((4, 4, 1))
    halves = keras.layers.Reshape((4, 2, 2))(inputs)
    pooled = keras.layers.Reshape((2,))(keras.layers.AveragePooling2D((4, 1))(halves[..., :1]))
    model = simplug.SimilarityModel(inputs, pooled)
    model.compile("sgd", loss=None)
    return model


def halves(left, right):
    picture = np.zeros((4, 4, 1), dtype=np.uint8)
    picture[:, :2], picture[:, 2:] = left, right
    return picture


GALLERY = np.stack([halves(200, 10), halves(180, 10), halves(10, 200), halves(10, 190)])
GALLERY_LABELS = [0, 0, 1, 1]
QUERIES = np.stack([halves(190, 20), halves(170, 15), halves(15, 150)])
QUERY_LABELS = [0, 0, 1]


def follow(model, *callbacks, epochs=1):
    """Let callbacks hear of epochs as `fit` would tell them."""
    listing = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs)
    listing.on_train_begin()
    for epoch in range(epochs):
        listing.on_epoch_end(epoch, {"loss": 0.0})
    listing.on_train_end()


def test_a_scalar_and_a_picture_come_back_as_they_were_written(tmp_path, events):
    file = EventFile(tmp_path)
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    file.add_scalars({"val_recall@1": 0.5, "loss": 2.0}, step=3)
    file.add_picture("neighbors", pixels, step=4)
    file.close()
    first, second, third = events(tmp_path)
    assert first == (3, "val_recall@1", "scalars", np.float32(0.5))
    assert second == (3, "loss", "scalars", np.float32(2.0))
    assert third[:3] == (4, "neighbors", "images")
    np.testing.assert_array_equal(picture_of(third[3]), pixels)


def test_no_file_is_made_before_there_is_something_to_write(tmp_path):
    EventFile(tmp_path / "run").close()
    assert not list(tmp_path.iterdir())


def test_a_row_shows_a_query_and_its_neighbours_framed_by_whether_they_are_right(model, tmp_path, events):
    pictures = simplug.callbacks.NeighborPictures(
        QUERIES, QUERY_LABELS, GALLERY, [1, 0, 1, 1], log_dir=tmp_path, k=2, rows=2
    )
    follow(model, pictures)
    ((step, tag, plugin, tensor),) = events(tmp_path)
    assert (step, tag, plugin) == (1, "neighbors", "images")
    shown = picture_of(tensor)
    side = 32 + 2 * 2 + 2 * 2
    assert shown.shape == (2 * side, 3 * side + 8, 3)
    frames = [
        [tuple(shown[row * side + 2, column + side // 2]) for column in (0, side + 8, 2 * side + 8)] for row in (0, 1)
    ]
    # One query of each class: of the second, both neighbours have its label; of the first, only the nearer one.
    assert frames == [[QUERY, RIGHT, WRONG], [QUERY, RIGHT, RIGHT]]
    assert tuple(shown[side // 2, 4]) == (190, 190, 190)
    assert tuple(shown[side // 2, side + 8 + 4]) == (180, 180, 180)


def test_places_without_a_neighbour_stay_empty(model, tmp_path, events):
    pictures = simplug.callbacks.NeighborPictures(
        QUERIES, QUERY_LABELS, GALLERY[:1], [0], log_dir=tmp_path, k=3, rows=1
    )
    follow(model, pictures)
    shown = picture_of(events(tmp_path)[0][3])
    assert (shown[:, -40:] == 255).all()


def test_pictures_are_written_every_so_many_epochs_and_at_the_last(model, tmp_path, events):
    pictures = simplug.callbacks.NeighborPictures(
        QUERIES, QUERY_LABELS, GALLERY, GALLERY_LABELS, log_dir=tmp_path, every=2
    )
    follow(model, pictures, epochs=5)
    assert [event[0] for event in events(tmp_path)] == [2, 4, 5]


def test_a_projection_is_the_embeddings_with_names_and_pictures(model, tmp_path):
    projection = simplug.callbacks.Projection(
        GALLERY, GALLERY_LABELS, log_dir=tmp_path, pictures=GALLERY, class_names={0: "left\tside"}
    )
    follow(model, projection)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "embeddings.tsv"), model.embed(GALLERY), rtol=1e-6)
    assert (tmp_path / "metadata.tsv").read_text() == "left side\nleft side\n1\n1\n"
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert re.sub(r"\s+", " ", config).strip() == (
        'embeddings { tensor_name: "embeddings" tensor_path: "embeddings.tsv" metadata_path: "metadata.tsv" '
        'sprite { image_path: "sprite.png" single_image_dim: 4 single_image_dim: 4 } }'
    )
    sprite = np.asarray(Image.open(tmp_path / "sprite.png"))
    assert sprite.shape == (8, 8, 3)
    np.testing.assert_array_equal(sprite[4:, :4], np.repeat(GALLERY[2], 3, axis=2))


def test_a_projection_without_pictures_has_no_sheet_of_them(tmp_path):
    write_projection(tmp_path / "new", np.eye(2), ["a", "b"])
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        "embeddings.tsv",
        "metadata.tsv",
        "projector_config.pbtxt",
    }
    assert "sprite" not in (tmp_path / "new" / "projector_config.pbtxt").read_text()


def test_pictures_are_made_smaller_when_the_sheet_would_be_too_large():
    pictures = np.full((10, 6, 3, 3), 7, dtype=np.uint8)
    pixels, height, width = sheet(pictures, 12)
    assert (height, width) == (3, 1)
    assert pixels.shape == (12, 4, 3)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (np.zeros((3, 4, 4, 2)), r"shown have shape \(3, 4, 4, 2\); pictures are \(n, height, width\)"),
        (np.zeros((3, 8)), "shown have shape"),
        (np.full((1, 2, 2), 3.0), "shown are float64, and not all between 0 and 1"),
        (np.full((1, 2, 2), np.nan), "shown are float64"),
        (np.zeros((1, 2, 2), dtype=np.int64), "shown are int64"),
    ],
)
def test_what_cannot_be_shown_is_refused(examples, message):
    with pytest.raises(InvalidInputError, match=message):
        as_pictures(examples, "shown")


def test_floats_between_0_and_1_are_shown():
    shown = as_pictures(np.array([[[0.0, 1.0, 0.5]]]), "shown")
    assert shown[0, 0].tolist() == [[0, 0, 0], [255, 255, 255], [128, 128, 128]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gallery_pictures": np.zeros((4, 5, 5), dtype=np.uint8)}, "they are shown side by side"),
        ({"gallery_pictures": np.zeros((3, 4, 4), dtype=np.uint8)}, "gallery_pictures are 3, and there are 4 examples"),
        ({"query_labels": [0, 1]}, "there are 3 queries and 2 labels of them"),
        ({"query_labels": [0, 1, -1]}, "labels of the queries hold -1"),
        ({"gallery": np.zeros((0, 4, 4, 1))}, r"gallery have shape \(0, 4, 4, 1\)"),
        ({"rows": 0}, "rows is 0"),
    ],
)
def test_examples_and_pictures_that_do_not_fit_are_refused(tmp_path, change, message):
    arguments = {
        "queries": QUERIES,
        "query_labels": QUERY_LABELS,
        "gallery": GALLERY,
        "gallery_labels": GALLERY_LABELS,
        **change,
    }
    with pytest.raises(InvalidInputError, match=message):
        simplug.callbacks.NeighborPictures(log_dir=tmp_path, **arguments)


def test_a_model_that_is_no_similarity_model_is_refused(tmp_path):
    plain = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    with pytest.raises(InvalidInputError, match="Projection follows a SimilarityModel, not Sequential"):
        simplug.callbacks.Projection(GALLERY, GALLERY_LABELS, log_dir=tmp_path).set_model(plain)
