"""What is decided. The parts may depend on those above them: tiering, policy, promotion."""

from governance.models.policy import Policy
from governance.models.promotion import GateEvaluation, Promotion
from governance.models.tiering import TierAssessment

__all__ = ["GateEvaluation", "Policy", "Promotion", "TierAssessment"]
