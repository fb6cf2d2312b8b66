"""What one edit is given."""

from dataclasses import dataclass

from apg_core.pipeline.brief import Brief
from apg_core.pipeline.earlier import Earlier
from apg_core.pipeline.edit import Plan
from apg_core.pipeline.stages import EditStages


@dataclass(frozen=True, eq=False, kw_only=True)
class EditBrief(Brief):
    """One edit to be done; prompt and options are the new generation's."""

    stages: EditStages
    earlier: Earlier
    plan: Plan
