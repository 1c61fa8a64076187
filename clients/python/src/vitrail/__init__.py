from .errors import ProgrammingError as ProgrammingError
