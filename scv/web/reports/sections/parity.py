"""The section on parity: how exactly script and ONNX file answer as the network does."""

from dataclasses import dataclass
from datetime import datetime

from scv.report.parity import Parity
from scv.web.reports.sections.context import SectionContext


@dataclass(frozen=True)
class ParityView:
    """The certificate."""

    figures: Parity

    @property
    def moment(self) -> datetime:
        """When the certificate was made, in UTC."""
        return datetime.fromisoformat(self.figures.made_at)


def parity_view(figures: Parity, context: SectionContext) -> ParityView:
    return ParityView(figures)
