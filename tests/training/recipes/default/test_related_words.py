from training.recipes.default.related_words import content_words, unambiguous_nouns


def test_content_words_come_once_without_accents_function_words_and_numbers() -> None:
    names = ["Llave de cocina", "válvula de 1/2 in.", "kitchen tap", "llave mp3 800"]
    assert content_words(names) == "llave cocina valvula kitchen tap mp3"
    assert content_words([]) == ""


def test_nouns_of_many_meanings_have_no_translation() -> None:
    lexicon = [
        ("sábana", "sheet", "n"),
        ("hoja", "sheet", "n"),
        ("chapa", "Sheet", "n"),
        ("perro", "dog", "n"),
        ("Perro", "dog", "n"),
        ("can", "dog", "n"),
        ("seguir", "dog", "v"),
    ]
    assert unambiguous_nouns(lexicon) == {"dog": ["perro", "can"]}
