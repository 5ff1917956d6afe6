"""Rankers: methods that score works for an image without knowing the codes.

What may enter: one module per method, which sees :class:`~.interface.Images` and
:class:`~.interface.Works` and nothing else: no codes, no manifests, no members. To add a ranker:

1. Write a :class:`~.interface.Query`: scores of any rows of the works for a few images.
2. Write a :class:`~.interface.Ranker` that prepares it. ``settings()`` must name all that decides
   the scores, since an audit's identity depends on it.
3. Give it a name and an entry in :func:`~.catalogue.make_ranker`. If it needs a file or a library
   that is absent, raise :class:`~registry.errors.MissingPartError` there.

A complete ranker, by mean brightness:

    class Brightness(Ranker):
        name = "brightness"
        scales = (1.0,)

        def prepare(self, images: Images, works: Works) -> Query:
            return _BrightnessQuery(images.values.mean(axis=1), works.pixels)

    class _BrightnessQuery(Query):
        additive = True      # log_scores are plain scores; False: their logarithms

        def __init__(self, images: np.ndarray, works: Rows) -> None:
            self.images, self.works = images, works

        def log_scores(self, rows: RowIndex) -> np.ndarray:      # image x scale x row
            works = self.works.take(rows).mean(axis=1)
            return -np.abs(self.images[:, None, None] - works)

A method that maps each picture to a vector needs only an :class:`~.feature_kernel.Embedding`.
Rankers through other libraries go to :mod:`~.peers`.
"""
