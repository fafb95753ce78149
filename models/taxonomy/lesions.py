"""The taxonomies of lesion data sets: binary, HAM10000, ISIC 2019 and PAD-UFES-20.

Sources: HAM10000 (Tschandl et al. 2018, doi:10.1038/sdata.2018.161), ISIC 2019 (Combalia et al. 2019, arXiv:1908.02288),
PAD-UFES-20 (Pacheco et al. 2020, doi:10.1016/j.dib.2020.106221).
"""

from dataclasses import replace

from models.taxonomy.types import Diagnosis, Taxonomy

MELANOMA = Diagnosis(
    "MEL",
    "Melanoma",
    malignant=True,
    description="A malignant tumour of melanocytes that spreads early and is curable when it is excised thin.",
    snomed="93655004",
    icd10="C43",
    aliases=("malignant melanoma", "mel", "melanoma in situ"),
)
NAEVUS = Diagnosis(
    "NV",
    "Melanocytic naevus",
    malignant=False,
    description="A benign nest of melanocytes, the common mole; most are symmetric, of one structure and stay as they are.",
    snomed="400096001",
    icd10="D22",
    aliases=("nevus", "naevus", "nevi", "melanocytic nevus", "melanocytic nevi", "melanocytic naevi", "pigmented nevus", "mole", "moles"),
)
BASAL_CELL_CARCINOMA = Diagnosis(
    "BCC",
    "Basal cell carcinoma",
    malignant=True,
    description="The most frequent skin cancer: it grows slowly, destroys tissue where it stands and hardly ever spreads.",
    snomed="254701007",
    icd10="C44",
    aliases=("basal cell carcinomas", "basalioma"),
)
# Actinic keratosis is carcinoma in situ of the keratinocyte line and is treated, not watched: it counts as malignant.
ACTINIC_KERATOSIS = Diagnosis(
    "AK",
    "Actinic keratosis",
    malignant=True,
    description="A rough scaly patch of sun-damaged keratinocytes, a precursor that can turn into squamous cell carcinoma.",
    snomed="201101007",
    icd10="L57.0",
    aliases=("actinic keratoses", "solar keratosis"),
)
BENIGN_KERATOSIS = Diagnosis(
    "BKL",
    "Benign keratosis",
    malignant=False,
    description="Seborrhoeic keratosis, solar lentigo and lichen planus-like keratosis: harmless growths of the upper skin.",
    aliases=(
        "benign keratosis-like lesion",
        "benign keratosis-like lesions",
        "benign keratosis lesion",
        "seborrheic keratosis",
        "seborrhoeic keratosis",
        "solar lentigo",
        "lichenoid keratosis",
        "pigmented benign keratosis",
    ),
)
DERMATOFIBROMA = Diagnosis(
    "DF",
    "Dermatofibroma",
    malignant=False,
    description="A firm benign nodule of fibrous tissue, often on the legs, that dimples when it is squeezed from the sides.",
    icd10="D23",
    aliases=("dermatofibromas", "benign fibrous histiocytoma"),
)
VASCULAR_LESION = Diagnosis(
    "VASC",
    "Vascular lesion",
    malignant=False,
    description="Angioma, angiokeratoma, pyogenic granuloma or haemorrhage: red, purple or black, made of vessels or of blood.",
    aliases=("vascular lesions", "vascular", "angioma", "hemangioma", "haemangioma"),
)
SQUAMOUS_CELL_CARCINOMA = Diagnosis(
    "SCC",
    "Squamous cell carcinoma",
    malignant=True,
    description="A malignant tumour of keratinocytes, mostly on skin that saw much sun; it can spread to lymph nodes.",
    snomed="254651007",
    icd10="C44",
    aliases=("squamous cell carcinomas", "bowen's disease", "spinocellular carcinoma"),
)
NONE_OF_THE_OTHERS = Diagnosis(
    "UNK",
    "None of the other classes",
    malignant=False,
    description="A lesion or condition that none of the other classes describes; it says nothing about benign or malignant.",
    aliases=("unknown", "none of the others", "other"),
)

BINARY = Taxonomy(
    "binary",
    "Benign or malignant",
    (
        Diagnosis(
            "BENIGN",
            "Benign",
            malignant=False,
            description="A lesion that neither spreads nor destroys and is no precursor of one that does.",
            aliases=("non-malignant", "nonmalignant"),
        ),
        Diagnosis(
            "MALIGNANT",
            "Malignant",
            malignant=True,
            description="Skin cancer or a direct precursor of it: melanoma, basal or squamous cell carcinoma, actinic keratosis.",
            aliases=("cancer", "malign"),
        ),
    ),
)

HAM10000 = Taxonomy(
    "ham10000",
    "HAM10000, seven classes",
    (
        NAEVUS,
        MELANOMA,
        BENIGN_KERATOSIS,
        BASAL_CELL_CARCINOMA,
        Diagnosis(
            "AKIEC",
            "Actinic keratosis or intraepithelial carcinoma",
            malignant=True,
            description="Actinic keratosis and Bowen's disease: keratinocytes on the way to squamous cell carcinoma, not yet invasive.",
            aliases=(
                "actinic keratosis",
                "actinic keratoses",
                "bowen's disease",
                "actinic keratoses and intraepithelial carcinoma",
                "actinic keratoses and intraepithelial carcinomae",
            ),
        ),
        VASCULAR_LESION,
        DERMATOFIBROMA,
    ),
)

ISIC2019_TAXONOMY = Taxonomy(
    "isic2019",
    "ISIC 2019, eight classes",
    (
        MELANOMA,
        NAEVUS,
        BASAL_CELL_CARCINOMA,
        ACTINIC_KERATOSIS,
        BENIGN_KERATOSIS,
        DERMATOFIBROMA,
        VASCULAR_LESION,
        SQUAMOUS_CELL_CARCINOMA,
    ),
)

ISIC2019_UNKNOWN = Taxonomy(
    "isic2019_unknown",
    "ISIC 2019, eight classes and none of them",
    (*ISIC2019_TAXONOMY.diagnoses, NONE_OF_THE_OTHERS),
)

PAD_UFES_20 = Taxonomy(
    "pad_ufes_20",
    "PAD-UFES-20, six classes",
    (
        BASAL_CELL_CARCINOMA,
        # PAD-UFES-20 counts Bowen's disease as squamous cell carcinoma.
        SQUAMOUS_CELL_CARCINOMA,
        replace(ACTINIC_KERATOSIS, code="ACK"),
        Diagnosis(
            "SEK",
            "Seborrhoeic keratosis",
            malignant=False,
            description="A harmless, often brown and warty growth that sits on the skin as if stuck on; frequent with age.",
            snomed="25499005",
            icd10="L82",
            aliases=("seborrheic keratosis", "seborrheic keratoses", "seborrhoeic keratoses"),
        ),
        MELANOMA,
        replace(NAEVUS, code="NEV"),
    ),
)
