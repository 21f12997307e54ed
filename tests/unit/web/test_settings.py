import pytest

from web.settings import SettingError, Settings


def test_without_an_environment_everything_is_embedded() -> None:
    settings = Settings.from_environment({})

    assert settings.observation_store == "sqlite:///data/observations.db"
    assert settings.caption_store == "sqlite:///data/captions.db"
    assert settings.caption_model == "file://models/flickr8k"
    assert settings.upload_bucket == "file://data"
    assert settings.spaces is None


def test_the_environment_wins_and_an_empty_variable_counts_as_absent() -> None:
    settings = Settings.from_environment({"OBSERVATION_STORE": "dynamodb://table", "CAPTION_STORE": " ", "SPACES": ""})

    assert settings.spaces is None
    assert settings.observation_store == "dynamodb://table"
    assert settings.caption_store == "sqlite:///data/captions.db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OBSERVATION_STORE", "data/observations.db"),
        ("CAPTION_STORE", "redis://localhost"),
        ("CAPTION_MODEL", "models/flickr8k"),
        ("UPLOAD_BUCKET", "data"),
        ("CORS_ORIGIN", "https://studio.example.org/"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{variable} is '{value}'"):
        Settings.from_environment({variable: value})
