"""The sections of a report in the order in which they are read, and the view of each."""

from collections.abc import Mapping

from scv.report.activation import Activation
from scv.report.attribution import Attribution
from scv.report.feature_visualization import Maximization
from scv.report.layer_similarity import Similarity
from scv.report.layers import Layers
from scv.report.metrics import Metrics
from scv.report.mistakes import Labels, Mistakes
from scv.report.parity import Parity
from scv.report.robustness import Robustness
from scv.report.summary import Summary
from scv.report.validity import Validity
from scv.web.reports.sections.activation import activation_view
from scv.web.reports.sections.attribution import attribution_view
from scv.web.reports.sections.context import SectionView, SectionViewFunction, figures_alone, figures_with_names
from scv.web.reports.sections.metrics import metrics_view
from scv.web.reports.sections.parity import parity_view
from scv.web.reports.sections.robustness import robustness_view
from scv.web.reports.sections.similarity import similarity_view
from scv.web.reports.sections.validity import validity_view

SECTIONS: Mapping[str, SectionViewFunction] = {
    "summary": SectionView(Summary, figures_alone),
    "metrics": SectionView(Metrics, metrics_view),
    "mistakes": SectionView(Mistakes, figures_with_names),
    "labels": SectionView(Labels, figures_with_names),
    "layers": SectionView(Layers, figures_alone),
    "activation": SectionView(Activation, activation_view),
    "attribution": SectionView(Attribution, attribution_view),
    "validity": SectionView(Validity, validity_view),
    "maximization": SectionView(Maximization, figures_with_names),
    "robustness": SectionView(Robustness, robustness_view),
    "similarity": SectionView(Similarity, similarity_view),
    "parity": SectionView(Parity, parity_view),
}
"""A section's name is the name of its JSON file and of its template."""
