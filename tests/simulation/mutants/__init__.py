"""The catalogue of mutants: production with one rule taken away, and the few such changes that do no harm."""

from tests.simulation.mutants.charging import CHARGING
from tests.simulation.mutants.earlier import EARLIER
from tests.simulation.mutants.harmless import HARMLESS
from tests.simulation.mutants.register import REGISTER
from tests.simulation.mutants.told import TOLD

MUTANTS = (*REGISTER, *CHARGING, *TOLD, *EARLIER, *HARMLESS)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
